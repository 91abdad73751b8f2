/**
 * The probe: asks Redis for its time every 100 ms. From it come the one clock, and the decision that Redis is away:
 * a request then gets its 503 at once, while a large submit on a healthy Redis takes the time it needs.
 */
import type { Redis } from 'ioredis';
import { TaskError } from '../errors.ts';
import type { Log } from '../log.ts';
import { readMemory } from './connect.ts';

const INTERVAL_MS = 100;
/** Silence after which Redis counts as away. With the interval it keeps a 503 within 300 ms. */
const SILENCE_MS = 150;
const CLOCK_ANSWERS = 10;
const MEMORY_INTERVAL_MS = 1_000;
/** Submits are refused above this share of maxmemory, so that running tasks can still end. */
const FULL_SHARE = 0.8;

const away = () => new TaskError('unavailable', 'Redis is not reachable.', { retryAfterMs: 1_000 });

/** `admit` runs once, before Redis counts as available for the first time; when it throws, `ready` rejects and Redis stays away. */
export function createProbe(redis: Redis, log: Log, admit: () => Promise<void>) {
  let offset = 0;
  const answers: { tookMs: number; offset: number }[] = [];
  let available = false;
  let full = false;
  let pendingSince: number | null = null;
  let stopped = false;
  const waiting = new Set<(error: TaskError) => void>();
  let admitted = false;
  const firstAnswer = Promise.withResolvers<void>();
  firstAnswer.promise.catch(() => undefined);

  function set(next: boolean) {
    if (available === next) return;
    available = next;
    log[next ? 'info' : 'warn'](next ? 'redis is reachable' : 'redis is away');
    if (next) return;
    for (const reject of waiting) reject(away());
    waiting.clear();
  }

  async function ask() {
    const sentAt = performance.now();
    pendingSince = sentAt;
    try {
      const [seconds = 0, micros = 0] = (await redis.time()) as unknown as number[];
      const tookMs = performance.now() - sentAt;
      answers.push({ tookMs, offset: Number(seconds) * 1000 + Number(micros) / 1000 + tookMs / 2 - Date.now() });
      if (answers.length > CLOCK_ANSWERS) answers.shift();
      // A slow answer says little of the clock: the fastest of the last ones counts.
      offset = answers.reduce((best, answer) => (answer.tookMs < best.tookMs ? answer : best)).offset;
      pendingSince = null;
    } catch {
      pendingSince = null;
      set(false);
      return;
    }
    if (!admitted) {
      try {
        await admit();
      } catch (error) {
        if (!isConnectionError(error)) firstAnswer.reject(error);
        return;
      }
      admitted = true;
      firstAnswer.resolve();
    }
    set(true);
  }

  const ticker = setInterval(() => {
    if (pendingSince === null) void ask();
  }, INTERVAL_MS);
  const watcher = setInterval(() => {
    // A busy event loop makes answers look late: let what has arrived be read before judging.
    setImmediate(() => {
      if (pendingSince !== null && performance.now() - pendingSince > SILENCE_MS) set(false);
    });
  }, INTERVAL_MS / 4);
  const memoryTimer = setInterval(async () => {
    if (!available) return;
    try {
      const { used, max } = await readMemory(redis);
      full = max > 0 && used > FULL_SHARE * max;
    } catch {
      // The next time() says whether Redis is away.
    }
  }, MEMORY_INTERVAL_MS);
  void ask();

  return {
    /** Redis TIME in ms, estimated from the last answer. */
    now: () => Math.round(Date.now() + offset),
    /** How far this process's clock is behind Redis's, in ms. */
    offset: () => offset,
    available: () => available,
    /** True above 80 % of maxmemory. */
    full: () => full,
    /** Resolves when Redis has answered and was admitted. */
    ready: () => firstAnswer.promise,

    /** The promise, or `unavailable` as soon as Redis is away or its connection refuses. */
    async guard<T>(work: () => Promise<T>): Promise<T> {
      if (!available) throw away();
      const lost = Promise.withResolvers<never>();
      waiting.add(lost.reject);
      try {
        return await Promise.race([work(), lost.promise]);
      } catch (error) {
        throw isConnectionError(error)
          ? new TaskError('unavailable', away().message, { cause: error, retryAfterMs: 1_000 })
          : error;
      } finally {
        waiting.delete(lost.reject);
      }
    },

    stopped: () => stopped,

    stop() {
      if (stopped) return;
      stopped = true;
      for (const timer of [ticker, watcher, memoryTimer]) clearInterval(timer);
    },
  };
}

/** True when Redis did not take the command, or its answer was lost: a closed connection, or a reply that says "not now". */
export function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return /^(OOM|LOADING|READONLY|CLUSTERDOWN|MASTERDOWN|BUSY|MISCONF|NOREPLICAS) |Connection is closed|Stream isn't writeable|Command timed out|ECONN|EPIPE|Command aborted|max retries per request/i.test(
    error.message,
  );
}

export type Probe = ReturnType<typeof createProbe>;
