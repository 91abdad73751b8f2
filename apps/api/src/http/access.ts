/**
 * Who speaks. While there is no API key anywhere the API is open: everybody who reaches it is the one owner, and only
 * this machine does. The first key ends that, in every process within seconds, and there is no way back while the process
 * lives: when the last key is revoked, nobody gets in.
 *
 * What Redis said of a key is kept for a short time, found or not. Own code for the cache, because it must tell the two
 * apart: a flood of random keys may push out each other, never the keys in use.
 */
import { ConfigError } from '@beanline/shared/config.ts';
import type { Deps } from '@beanline/shared/deps.ts';
import { TaskError } from '@beanline/shared/errors.ts';
import {
  type ApiKey,
  apiKeyId,
  bearerToken,
  DEFAULT_SCOPES,
  hashApiKey,
  isOwnKey,
  OPEN_OWNER,
  type Scope,
  scopes,
} from '@beanline/shared/owner.ts';
import { isLoopback } from './loopback.ts';
import { recent } from './recent.ts';
import type { ApiEnvironment } from './variables.ts';

/** How long an answer about a key counts, and that there are no keys. Five seconds after a change everybody knows. */
const KEY_MS = 2_000;
const OPEN_MS = 3_000;
/** How often the absence of keys is asked for, so that no request waits for the answer. */
const OPEN_CHECK_MS = 1_000;
const MAX_KNOWN = 10_000;

export type Caller = {
  owner: string;
  scopes: readonly Scope[];
  /** The hash of a key that Redis holds; null of one that is configured, and of nobody's. */
  hash: string | null;
};

/** Everybody, while no keys exist. */
export const OPEN_CALLER: Caller = { owner: OPEN_OWNER, scopes, hash: null };

/** The one answer to a missing, malformed, unknown, revoked or expired key. */
export const unauthorized = () =>
  new TaskError('unauthorized', 'This needs a valid API key: Authorization: Bearer <key>.');

type Known = { key: ApiKey | null; until: number };

export type Access = ReturnType<typeof createAccess>;

export function createAccess(
  { apiKeys, clock, log }: Pick<Deps, 'apiKeys' | 'clock' | 'log'>,
  config: Pick<ApiEnvironment, 'API_KEYS' | 'HOST'>,
) {
  const found = recent<Known>(MAX_KNOWN);
  const missing = recent<Known>(MAX_KNOWN);
  const flights = new Map<string, Promise<ApiKey | null>>();
  const closing = new AbortController();
  const isClosed = () => closing.signal.aborted;
  if (config.API_KEYS.size > 0) closing.abort();
  let openAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | null = null;

  function countKeys(): Promise<void> {
    const askedAt = performance.now();
    asking ??= clock
      .guard(apiKeys.count, apiKeys.needs)
      .then((count) => {
        openAt = askedAt;
        if (count === 0 || isClosed()) return;
        log.info('there are API keys: every request needs one from now on');
        closing.abort();
      })
      .finally(() => {
        asking = null;
      });
    return asking;
  }

  const openCheck = setInterval(() => {
    if (isClosed()) clearInterval(openCheck);
    else if (clock.available()) countKeys().catch(() => undefined);
  }, OPEN_CHECK_MS).unref();

  function lookUp(hash: string): ApiKey | null | Promise<ApiKey | null> {
    const known = found.get(hash) ?? missing.get(hash);
    if (known && known.until > performance.now()) return known.key;
    let flight = flights.get(hash);
    if (!flight) {
      const until = performance.now() + KEY_MS;
      flight = clock
        .guard(() => apiKeys.find(hash), apiKeys.needs)
        .then((key) => {
          (key ? missing : found).delete(hash);
          (key ? found : missing).set(hash, { key, until });
          return key;
        })
        .finally(() => flights.delete(hash));
      flights.set(hash, flight);
    }
    return flight;
  }

  async function callerOf(hash: string): Promise<Caller | null> {
    const key = await lookUp(hash);
    if (!key || (key.expires_at !== undefined && key.expires_at <= clock.now())) return null;
    return { owner: key.owner, scopes: key.scopes, hash };
  }

  return {
    /** Asks no more by itself. */
    stop: () => clearInterval(openCheck),

    /** Aborts when the API is open no longer: nobody is who he was without a key. */
    closed: closing.signal,

    /** Whether requests need a key. At once, unless Redis has been away for a while; `unavailable` when nobody can say. */
    needsKey(): boolean | Promise<boolean> {
      if (isClosed()) return true;
      if (performance.now() - openAt < OPEN_MS) return false;
      return countKeys().then(isClosed);
    },

    /** Who speaks by this Authorization header. Throws `unauthorized`, for every reason in the same words. */
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

    /** Whether the caller still is one: a request may outlast its key. */
    async isValid(caller: Caller): Promise<boolean> {
      if (caller === OPEN_CALLER) return !isClosed();
      return caller.hash === null || (await callerOf(caller.hash)) !== null;
    },

    /** Before listening: waits for Redis and throws when the world could reach an API that asks nobody for a key. */
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
