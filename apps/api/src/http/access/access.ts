/**
 * Who sends a request. While the API is open, everybody who reaches it is the one owner, and only this machine reaches it.
 * Once there has been a key, every request needs one, also after the last is revoked. A change of keys is known to every
 * process within five seconds.
 */
import { ConfigError } from '@beanline/shared/config.ts';
import type { Deps } from '@beanline/shared/deps.ts';
import { TaskError } from '@beanline/shared/errors.ts';
import { isLoopback } from '@beanline/shared/loopback.ts';
import {
  apiKeyId,
  bearerToken,
  DEFAULT_SCOPES,
  hashApiKey,
  isOwnKey,
  OPEN_OWNER,
  type Scope,
} from '@beanline/shared/owner.ts';
import type { ApiEnvironment } from '../variables.ts';
import { createKnownKeys } from './known-keys.ts';
import { createOpenMode } from './open-mode.ts';

export type Caller = {
  owner: string;
  scopes: readonly Scope[];
  /** The hash of a key that Redis holds; null for a configured key, and without a key. */
  hash: string | null;
};

/** Everybody, while no keys exist: owners of keys that are gone are not theirs. */
export const OPEN_CALLER: Caller = { owner: OPEN_OWNER, scopes: DEFAULT_SCOPES, hash: null };

/** The one answer to a missing, malformed, unknown, revoked or expired key. */
export const unauthorized = () =>
  new TaskError(
    'unauthorized',
    'This needs a valid API key in the header "Authorization: Bearer <key>". X-API-Key and others are not read.',
  );

export type Access = ReturnType<typeof createAccess>;

export function createAccess(
  deps: Pick<Deps, 'apiKeys' | 'clock' | 'log'>,
  config: Pick<ApiEnvironment, 'API_KEYS' | 'HOST'>,
) {
  const { clock, log } = deps;
  const lookUp = createKnownKeys(deps);
  const { closed, isClosed, countKeys, needsKey, stop } = createOpenMode(deps, config.API_KEYS.size > 0);

  async function callerOf(hash: string): Promise<Caller | null> {
    const key = await lookUp(hash);
    if (!key || (key.expires_at !== undefined && key.expires_at <= clock.now())) return null;
    return { owner: key.owner, scopes: key.scopes, hash };
  }

  return {
    /** Aborts when the API is no longer open: requests without a key lose their owner. */
    closed,
    needsKey,
    stop,

    /** The caller of this Authorization header. Throws `unauthorized`, for every reason in the same words. */
    async identify(authorization: string | undefined): Promise<Caller> {
      const token = authorization === undefined ? null : bearerToken(authorization);
      if (token !== null) {
        const hash = hashApiKey(token);
        const owner = config.API_KEYS.get(hash);
        if (owner !== undefined) return { owner, scopes: DEFAULT_SCOPES, hash: null };
        const caller = isOwnKey(token) ? await callerOf(hash) : null;
        if (caller) return caller;
        log.debug({ key_id: apiKeyId(hash) }, 'a key was refused');
      }
      throw unauthorized();
    },

    /** Whether the caller is still valid: a request may outlast its key. */
    async isValid(caller: Caller): Promise<boolean> {
      if (caller === OPEN_CALLER) return !isClosed();
      return caller.hash === null || (await callerOf(caller.hash)) !== null;
    },

    /** Before listening: waits for Redis, and throws when others could reach an API that has no keys. */
    async checkHost(): Promise<void> {
      if (isLoopback(config.HOST) || isClosed()) return;
      await clock.ready();
      await countKeys();
      if (isClosed()) return;
      throw new ConfigError([
        `HOST: ${config.HOST} is not a loopback address, and without API keys only loopback is allowed.`,
        '  Make a key first (npm run keys -- create <owner>), or set API_KEYS=owner:key',
      ]);
    },
  };
}
