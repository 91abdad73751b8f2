/**
 * The probe of one Redis server: asks for its time every 100 ms, and whether it takes writes. From it come the server's
 * clock and the decision that it is away: a request then gets its 503 at once, while a large submit on a healthy Redis takes
 * the time it needs. A failover holds writes back (`CLIENT PAUSE … WRITE`) while reads are answered: that is away too.
 */
import type { Redis } from 'ioredis';
import { readMemory } from '../requirements.ts';

const INTERVAL_MS = 100;
const LOOK_MS = 25;
/** Between the last answer and the look that finds the next one missing; the rest of the time given is silence. */
const LATE_MS = INTERVAL_MS + 2 * LOOK_MS;
const CLOCK_ANSWERS = 10;
const MEMORY_INTERVAL_MS = 1_000;
/** Submits are refused above this share of maxmemory, so that running tasks can still end. */
const FULL_SHARE = 0.8;
/** Above this one nothing is cached: what can be made anew takes no room from tasks. */
const CROWDED_SHARE = 0.6;
/** Waits as a write does, as every script without flags may be one, and writes nothing. Without keys any node takes it. */
const AS_A_WRITE = 'return 1';

/** Asks for both in one packet, so that nothing but a pause of writes comes between the answers. */
function question(redis: Redis) {
  const { promise: time, resolve, reject } = Promise.withResolvers<number[]>();
  const both = redis
    .pipeline()
    .time((error, reply) => (error ? reject(error) : resolve((reply ?? []) as unknown as number[])))
    .eval(AS_A_WRITE, 0)
    .exec();
  const write = both.then((answers) => {
    // A refusal is an answer too: whether Redis takes what is submitted is asked elsewhere.
    for (const [error] of answers ?? []) if (error && error.name !== 'ReplyError') throw error;
  });
  // Whoever gives up at the time hears no more of it.
  write.catch(() => undefined);
  return { time, write };
}

/**
 * `timeoutMs`: how long after its last answer the server counts as away, at most. `answered` is called after each answer,
 * `lost` when the server was there and is away now. `bytesHeard` counts what has come from the server on other connections:
 * one that sends is slow to answer, not away.
 */
export function createProbe(
  redis: Redis,
  timeoutMs: number,
  hear: { answered(): void; lost(): void; bytesHeard(): number },
) {
  const allowedMs = timeoutMs - LATE_MS;
  let offset = 0;
  const answers: { tookMs: number; offset: number }[] = [];
  let available = false;
  let full = false;
  let crowded = false;
  let pending = false;
  /** The time has come, the write has not. */
  let held = false;
  /** How long the question under way has waited, in time in which this process ran: starved of CPU it would not hear. */
  let silentMs = 0;
  let lookedAt = 0;
  let heard = 0;
  let stopped = false;

  function lose() {
    if (!available) return;
    available = false;
    hear.lost();
  }

  async function ask() {
    const sentAt = performance.now();
    pending = true;
    silentMs = 0;
    lookedAt = sentAt;
    try {
      const { time, write } = question(redis);
      const [seconds = 0, micros = 0] = await time;
      const tookMs = performance.now() - sentAt;
      answers.push({ tookMs, offset: Number(seconds) * 1000 + Number(micros) / 1000 + tookMs / 2 - Date.now() });
      if (answers.length > CLOCK_ANSWERS) answers.shift();
      // A slow answer says little of the clock: the fastest of the last ones counts.
      offset = answers.reduce((best, answer) => (answer.tookMs < best.tookMs ? answer : best)).offset;
      held = true;
      silentMs = 0;
      await write;
      [pending, held] = [false, false];
      if (stopped) return;
      available = true;
      hear.answered();
    } catch {
      [pending, held] = [false, false];
      if (!stopped) lose();
    }
  }

  const ticker = setInterval(() => {
    if (!pending) void ask();
  }, INTERVAL_MS);
  const watcher = setInterval(() => {
    // A busy event loop makes answers look late: let what has arrived be read before judging.
    setImmediate(() => {
      const now = performance.now();
      const bytes = hear.bytesHeard();
      // Bytes are no sign that writes are taken.
      silentMs = bytes > heard && !held ? 0 : silentMs + Math.min(now - lookedAt, 2 * LOOK_MS);
      heard = bytes;
      lookedAt = now;
      if (pending && silentMs > allowedMs) lose();
    });
  }, LOOK_MS);
  const memoryTimer = setInterval(async () => {
    if (!available) return;
    try {
      const { used, max } = await readMemory(redis);
      full = max > 0 && used > FULL_SHARE * max;
      crowded = max > 0 && used > CROWDED_SHARE * max;
    } catch {
      // The next time() says whether Redis is away.
    }
  }, MEMORY_INTERVAL_MS);
  void ask();

  return {
    available: () => available,
    /** How far this process's clock is behind the server's, in ms. */
    offset: () => offset,
    /** True above 80 % of maxmemory. */
    full: () => full,
    /** True above 60 % of maxmemory. */
    crowded: () => crowded,
    stop() {
      stopped = true;
      for (const timer of [ticker, watcher, memoryTimer]) clearInterval(timer);
    },
  };
}

export type Probe = ReturnType<typeof createProbe>;
