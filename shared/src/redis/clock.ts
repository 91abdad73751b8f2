/**
 * The clock: Redis TIME, and whether Redis is there. On a Cluster each task's own master counts, by its partition: while
 * one master is away the others go on taking and serving tasks.
 */
import { Cluster } from 'ioredis';
import type { Log } from '../log.ts';
import { partitionOf } from '../task-id.ts';
import { slotOf } from './blocking.ts';
import { createAdmission } from './clock/admission.ts';
import { createGuard } from './clock/guard.ts';
import { createOutageLog } from './clock/outage-log.ts';
import { createProbes } from './clock/probes.ts';
import type { RedisConnection } from './connect.ts';
import type { Keys } from './keys.ts';

/** What a request needs of Redis: the master of a task, of a partition, of a key, or every master. Without it any will do. */
export type Needs = { task: string } | { partition: number } | { key: string } | 'all';

export type ClockOptions = {
  keys: Keys;
  partitions: number;
  log: Log;
  /** How long a silent Redis may hold a request up. */
  timeoutMs: number;
  /** Runs once, before Redis counts as available for the first time; when it throws, `ready` rejects and Redis stays away. */
  admit: () => Promise<void>;
  /** The connection requests go by; while it is not ready, also after an outage that is over, Redis is away. */
  used?: RedisConnection;
  /** Connections whose bytes are a sign of life of the server they come from. */
  others?: RedisConnection[];
};

/** The clock of the Redis that a connection leads to. */
export function createClock(redis: RedisConnection, options: ClockOptions) {
  const { keys, partitions, log, timeoutMs, used = redis, others = [] } = options;
  const slots = Array.from({ length: partitions }, (_, p) => slotOf(keys.open(p)));
  const admission = createAdmission(options.admit);
  const outages = createOutageLog(redis, log);
  const { guard, look: refuse } = createGuard();
  let stopped = false;

  async function answered() {
    await admission.ask();
    if (admission.isGiven() && !outages.isReachable()) look();
  }

  function look() {
    // A program that ends closes its connections itself, which is no outage.
    if (!stopped) outages.note(available());
    refuse();
  }

  const usable = () => admission.isGiven() && used.status === 'ready';
  const serves = (slot: number | undefined) => usable() && (probes.of(slot)?.available() ?? false);

  function available(partition: number | null = null): boolean {
    if (partition !== null) return serves(slots[partition]);
    return usable() && probes.all().some((probe) => probe.available());
  }

  function isThere(needs?: Needs): () => boolean {
    if (needs === undefined || !(redis instanceof Cluster)) return available;
    if (needs === 'all') return () => slots.every(serves);
    if ('task' in needs) {
      const partition = partitionOf(needs.task, partitions);
      return () => available(partition);
    }
    const slot = 'partition' in needs ? slots[needs.partition] : slotOf(needs.key);
    return () => serves(slot);
  }

  const probes = createProbes(redis, { timeoutMs, others, log, answered: () => void answered(), lost: look });
  used.on('ready', look);
  used.on('close', look);

  const offset = (partition = 0) => (probes.of(slots[partition]) ?? probes.all().next().value)?.offset() ?? 0;

  return {
    /** How long a silent Redis holds a request up, at most. */
    timeoutMs,
    /** Redis TIME in ms, estimated from the last answer; of the partition's master when one is named. */
    now: (partition = 0) => Math.round(Date.now() + offset(partition)),
    /** How far this process's clock is behind Redis's, in ms. */
    offset: () => offset(),
    /** Whether Redis is there: the master of a partition, or any. */
    available,
    /** True above 80 % of maxmemory, on any master. */
    full: () => probes.all().some((probe) => probe.full()),
    /** True above 60 % of maxmemory, on any master: nothing is cached then. */
    crowded: () => probes.all().some((probe) => probe.crowded()),
    /** Resolves when Redis has answered and was admitted. */
    ready: admission.ready,

    /** A partition for a new task, at random among those whose master is there. */
    pickPartition(): number {
      if (partitions === 1) return 0;
      const there = [...slots.keys()].filter((p) => available(p));
      return there[Math.floor(Math.random() * there.length)] ?? 0;
    },

    /** The promise, or `unavailable` as soon as what it needs of Redis is away, or its connection refuses. */
    guard: <T>(work: () => Promise<T>, needs?: Needs): Promise<T> => guard(work, isThere(needs)),

    stopped: () => stopped,

    stop() {
      stopped = true;
      probes.stop();
    },
  };
}

export type Clock = ReturnType<typeof createClock>;
