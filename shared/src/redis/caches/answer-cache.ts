/**
 * Answers of requests that allowed to keep them, by the hash of owner and request. An answer is kept for a fixed time and is
 * never refreshed. Redis away or full: every request is a miss, and nothing fails. Two equal requests at once may both be
 * misses. Hits and misses are counted in Redis, where `/readyz` finds them: runners ask here, and APIs are asked.
 */
import type { Log } from '../../log.ts';
import { canonicalJson, sha256 } from '../../task-id.ts';
import type { RedisConnection } from '../connect.ts';
import type { Keys } from '../keys.ts';
import type { RedisVariables } from '../variables.ts';

export function createAnswerCache(
  redis: RedisConnection,
  keys: Keys,
  { ANSWER_CACHE_MS: keepMs, ANSWER_CACHE_BYTES: maxBytes }: RedisVariables,
  { full, log }: { full: () => boolean; log: Log },
) {
  async function read(key: string): Promise<unknown> {
    const json = await redis.get(key);
    return json === null ? null : JSON.parse(json);
  }

  return {
    /** `request` is whatever decides the answer; the order of its fields does not. */
    async find<Answer>(owner: string, request: unknown) {
      const hash = sha256(`${owner}\n${canonicalJson(request)}`);
      const answer = (await read(keys.answer(hash)).catch((error: unknown) => {
        log.debug({ error }, 'the answer cache could not be read');
        return null;
      })) as Answer | null;
      // Not waited for: a count that Redis does not take is no trouble of the request.
      redis.hincrby(keys.answerCounts, answer === null ? 'misses' : 'hits', 1).catch(() => undefined);

      return {
        answer,
        /** False when it was not kept: too large, or Redis is away or nearly full. */
        async keep(value: Answer): Promise<boolean> {
          const json = JSON.stringify(value);
          if (full() || Buffer.byteLength(json) > maxBytes) return false;
          try {
            await redis.set(keys.answer(hash), json, 'PX', keepMs);
            return true;
          } catch (error) {
            log.debug({ error }, 'an answer could not be kept');
            return false;
          }
        },
      };
    },
  };
}

export type AnswerCache = ReturnType<typeof createAnswerCache>;
