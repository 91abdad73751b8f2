/** API keys: one hash, from the SHA-256 of each key to what it may do. Revoking removes the entry. */
import { ApiKey, apiKeyId, hashApiKey, makeApiKey, type Scope } from '../owner.ts';
import type { RedisConnection } from '../redis/connect.ts';
import type { Keys } from '../redis/keys.ts';

export type NewApiKey = { owner: string; scopes: readonly Scope[]; expiresInMs?: number; label?: string };

/** What an entry says; null when it is of a shape this release does not know, and then it opens nothing. */
function decode(text: string): ApiKey | null {
  try {
    return ApiKey.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

export function createApiKeys(redis: RedisConnection, keys: Keys) {
  async function entries(): Promise<{ hash: string; key: ApiKey }[]> {
    const all = await redis.hgetall(keys.apiKeys);
    return Object.entries(all).flatMap(([hash, text]) => {
      const key = decode(text);
      return key ? [{ hash, key }] : [];
    });
  }

  return {
    /** What of Redis the keys need. */
    needs: { key: keys.apiKeys },

    /** How many keys there are, expired ones included. */
    count: (): Promise<number> => redis.hlen(keys.apiKeys),

    /** The key of this hash, expired or not; null when it was never made, or revoked. */
    async find(hash: string): Promise<ApiKey | null> {
      const text = await redis.hget(keys.apiKeys, hash);
      return text === null ? null : decode(text);
    },

    /** Makes a key. `token` is the key itself, which nobody can learn later. */
    async create({ owner, scopes, expiresInMs, label }: NewApiKey): Promise<{ token: string; key: ApiKey }> {
      const [seconds = 0, micros = 0] = (await redis.time()).map(Number);
      const now = seconds * 1_000 + Math.floor(micros / 1_000);
      const token = makeApiKey();
      const hash = hashApiKey(token);
      const key: ApiKey = {
        v: 1,
        id: apiKeyId(hash),
        owner,
        scopes: [...scopes],
        created_at: now,
        ...(expiresInMs === undefined ? {} : { expires_at: now + expiresInMs }),
        ...(label === undefined ? {} : { label }),
      };
      await redis.hset(keys.apiKeys, hash, JSON.stringify(key));
      return { token, key };
    },

    /** All keys, oldest first. */
    async list(): Promise<ApiKey[]> {
      return (await entries()).map(({ key }) => key).sort((a, b) => a.created_at - b.created_at);
    },

    /** Takes back the key of this id; null when there is none. */
    async revoke(id: string): Promise<ApiKey | null> {
      const found = (await entries()).find(({ key }) => key.id === id);
      if (!found) return null;
      return (await redis.hdel(keys.apiKeys, found.hash)) === 1 ? found.key : null;
    },
  };
}

export type ApiKeys = ReturnType<typeof createApiKeys>;
