/**
 * The clock: Redis TIME, and whether Redis is there. On a Cluster each task's own master counts, by its partition: while
 * one master is away the others go on taking and serving tasks.
 */
import { Cluster, type Redis } from 'ioredis';
import { createActiveSet } from '../active-set.ts';
import type { TaskError } from '../errors.ts';
import type { Log } from '../log.ts';
import { partitionOf } from '../task-id.ts';
import { away } from './away.ts';
import { slotOf } from './blocking.ts';
import { isConnectionError, nodesOf, type RedisConnection } from './connect.ts';
import type { Keys } from './keys.ts';
import { createProbe, type Probe } from './probe.ts';

/** How soon the map of a Cluster is read again after a node was lost. */
const REFRESH_MS = 100;

/** What a request needs of Redis: the master of a task, of a partition, of a key, or every master. Without it any will do. */
export type Needs = { task: string } | { partition: number } | { key: string } | 'all';

const addressOf = ({ options }: Redis) => `${options.host}:${options.port}`;

/**
 * `timeoutMs`: how long a silent Redis may hold a request up. `admit` runs once, before Redis counts as available for the
 * first time; when it throws, `ready` rejects and Redis stays away. `used`: the connection requests go by; while it is not
 * ready, also after an outage that is over, Redis is away. `others`: connections whose bytes are a sign of life of the server
 * they come from.
 */
export function createClock(
  redis: RedisConnection,
  {
    keys,
    partitions,
    log,
    timeoutMs,
    admit,
    used = redis,
    others = [],
  }: {
    keys: Keys;
    partitions: number;
    log: Log;
    timeoutMs: number;
    admit: () => Promise<void>;
    used?: RedisConnection;
    others?: RedisConnection[];
  },
) {
  const probes = new Map<string, Probe>();
  const probed = new Map<string, Redis>();
  const slots = Array.from({ length: partitions }, (_, p) => slotOf(keys.open(p)));
  /** Requests under way, and whether what each needs is there. */
  const waiting = createActiveSet<{ refuse: (error: TaskError) => void; isMet: () => boolean }>();
  const firstAnswer = Promise.withResolvers<void>();
  firstAnswer.promise.catch(() => undefined);
  let admission: 'none' | 'asked' | 'given' = 'none';
  let reachable = false;
  let stopped = false;

  function probeOf(slot = 0): Probe | undefined {
    if (!(redis instanceof Cluster)) return probes.values().next().value;
    const master = redis.slots[slot]?.[0];
    return master === undefined ? undefined : probes.get(master);
  }
  const usable = () => admission === 'given' && used.status === 'ready';
  const serves = (slot: number | undefined) => usable() && (probeOf(slot)?.available() ?? false);

  function available(partition: number | null = null): boolean {
    if (partition !== null) return serves(slots[partition]);
    return usable() && probes.values().some((probe) => probe.available());
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

  function look() {
    // A program that ends closes its connections itself, which is no outage.
    if (!stopped && available() !== reachable) {
      reachable = !reachable;
      log[reachable ? 'info' : 'warn'](reachable ? 'redis is reachable' : 'redis is away');
      if (reachable) told.clear();
    }
    for (const { refuse, isMet } of waiting.members()) if (!isMet()) refuse(away());
  }

  async function answered() {
    if (admission === 'none') {
      admission = 'asked';
      try {
        await admit();
        admission = 'given';
        firstAnswer.resolve();
      } catch (error) {
        admission = 'none';
        if (!isConnectionError(error)) firstAnswer.reject(error);
      }
    }
    if (admission === 'given' && !reachable) look();
  }

  function watch(node: Redis, name = addressOf(node)) {
    probes.get(name)?.stop();
    probed.set(name, node);
    const isSame = (other: Redis) => !(redis instanceof Cluster) || addressOf(other) === name;
    const bytesHeard = () =>
      others.flatMap(nodesOf).reduce((sum, other) => sum + (isSame(other) ? (other.stream?.bytesRead ?? 0) : 0), 0);
    probes.set(name, createProbe(node, timeoutMs, { answered: () => void answered(), lost: look, bytesHeard }));
  }

  if (redis instanceof Cluster) {
    for (const node of redis.nodes()) watch(node);
    redis.on('+node', (node: Redis) => watch(node));
    redis.on('-node', (node: Redis) => {
      const name = addressOf(node);
      // A node that is made anew comes before its old one goes.
      if (probed.get(name) !== node) return;
      probes.get(name)?.stop();
      probes.delete(name);
      if (stopped) return;
      log.debug({ node: name }, 'a node of the cluster is away');
      look();
      // Lost for a moment, or for good: the map tells, and names who stands in for it.
      setTimeout(() => redis.refreshSlotsCache(), REFRESH_MS).unref();
    });
  } else watch(redis, 'redis');

  used.on('ready', look);
  used.on('close', look);

  // What keeps us from Redis (a wrong password, a certificate), each cause once an outage.
  const told = new Set<string>();
  function tell(error: Error) {
    const cause = (error as { lastNodeError?: Error }).lastNodeError ?? error;
    if (reachable || told.has(cause.message)) return;
    told.add(cause.message);
    log.warn({ error: cause }, 'redis cannot be reached');
  }
  redis.on('error', tell);
  redis.on('node error', tell);

  const offset = (partition = 0) => (probeOf(slots[partition]) ?? probes.values().next().value)?.offset() ?? 0;

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
    full: () => probes.values().some((probe) => probe.full()),
    /** True above 60 % of maxmemory, on any master: nothing is cached then. */
    crowded: () => probes.values().some((probe) => probe.crowded()),
    /** Resolves when Redis has answered and was admitted. */
    ready: () => firstAnswer.promise,

    /** A partition for a new task, at random among those whose master is there. */
    pickPartition(): number {
      const there =
        partitions === 1
          ? []
          : slots
              .keys()
              .filter((p) => available(p))
              .toArray();
      return there[Math.floor(Math.random() * there.length)] ?? 0;
    },

    /**
     * The promise, or `unavailable` as soon as what it needs of Redis is away, or its connection refuses.
     */
    guard<T>(work: () => Promise<T>, needs?: Needs): Promise<T> {
      const isMet = isThere(needs);
      if (!isMet()) return Promise.reject(away());
      return new Promise((resolve, reject) => {
        const answer = work();
        const leave = waiting.join({
          isMet,
          refuse(error) {
            leave();
            reject(error);
          },
        });
        answer.then(
          (value) => {
            leave();
            resolve(value);
          },
          (error: unknown) => {
            leave();
            reject(isConnectionError(error) ? away(error) : error);
          },
        );
      });
    },

    stopped: () => stopped,

    stop() {
      if (stopped) return;
      stopped = true;
      for (const probe of probes.values()) probe.stop();
    },
  };
}

export type Clock = ReturnType<typeof createClock>;
