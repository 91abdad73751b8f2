/**
 * The relay: holds the lease of partitions, sweeps their open tasks, brings the ended ones to the store, and removes them from
 * Redis when the store has them and their time is over. Two relays at once do no harm: everything they do may be done twice.
 */
import { randomUUID } from 'node:crypto';
import type { Environment } from '@beanline/shared/config.ts';
import type { Deps } from '@beanline/shared/deps.ts';
import { keepHealthFile } from '@beanline/shared/health-file.ts';
import { purgeStore } from '@beanline/shared/outbox/purge-store.ts';
import { createStoreSink } from '@beanline/shared/outbox/sinks/store.ts';
import { sweepPartition } from '@beanline/shared/tasks/sweep-partition.ts';

const BATCH = 500;
const MAX_CHECK_MS = 600_000;
/** What is past its retention is looked for once in so many rounds. */
const REMOVAL_ROUNDS = 5;
const UNLEASE_MS = 200;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export function startRelay(deps: Deps, config: Environment) {
  const { clock, log, partitions } = deps;
  const holder = randomUUID();
  const leaseMs = Math.max(5 * config.SWEEP_INTERVAL_MS, 3_000);
  const limits = {
    firstCheckMs: config.SWEEP_FIRST_CHECK_MS,
    maxCheckMs: MAX_CHECK_MS,
    cancelGraceMs: config.CANCEL_GRACE_MS,
  };
  /** When this relay last looked at every open task of a partition. */
  const sweptAt = new Map<number, number>();
  /** Partitions of which not every open task was looked at yet; a look that broke off is begun again. */
  const unswept = new Set<number>();
  const stop = new AbortController();
  /** Until when each partition is ours as far as we know, which may be wrong: two relays at once do no harm. */
  const leasedUntil = new Map<number, number>();
  const holds = (partition: number) => performance.now() < (leasedUntil.get(partition) ?? 0);
  const archive = createStoreSink(deps, config, holds, stop.signal);

  async function lease(partition: number) {
    const until = performance.now() + leaseMs;
    const { held, fresh } = await deps.lease.take(partition, holder, leaseMs);
    leasedUntil.set(partition, held ? until : 0);
    return { held, fresh };
  }

  /** Only what the store has acknowledged is among them. */
  async function removeExpired(partition: number) {
    const now = () => clock.now(partition);
    while ((await deps.retention.removeExpired(partition, now(), BATCH, config.IDEMPOTENCY_RETENTION_MS)) === BATCH);
  }

  async function sweep(partition: number, fresh: boolean) {
    // A lease that ran out while we were busy is no reason to look at everything again.
    const since = performance.now() - (sweptAt.get(partition) ?? Number.NEGATIVE_INFINITY);
    if (fresh && since > MAX_CHECK_MS) unswept.add(partition);
    const everything = unswept.has(partition);
    const holdsStill = async () => !stop.signal.aborted && (await lease(partition)).held;
    await sweepPartition(deps, partition, limits, everything, holdsStill);
    if (everything && (await holdsStill())) {
      unswept.delete(partition);
      sweptAt.set(partition, performance.now());
    }
  }

  // Each by itself: the partitions of a master that is away hold up no other.
  async function loop(partition: number) {
    let untilRemoval = 0;
    const failed = (error: unknown) => log.warn({ error, partition }, 'a round of the relay failed');

    async function round() {
      const { held, fresh } = await lease(partition);
      if (!held) return;
      await sweep(partition, fresh).catch(failed);
      if (untilRemoval-- > 0) return;
      // Whatever became of the sweep: this makes the room that a full Redis lacks. One that fails is due in the next round.
      untilRemoval = 0;
      await removeExpired(partition);
      untilRemoval = REMOVAL_ROUNDS - 1;
    }

    while (!stop.signal.aborted) {
      if (clock.available(partition)) await round().catch(failed);
      await sleep(config.SWEEP_INTERVAL_MS);
    }
  }

  const all = Array.from({ length: partitions }, (_, partition) => partition);
  const ended = Promise.all([...all.map(loop), ...all.map(archive), purgeStore(deps, config, holds, stop.signal)]);
  const endHealth = keepHealthFile(config.HEALTH_FILE, () => clock.available(), log);
  log.info('the relay is ready');
  return {
    async stop() {
      stop.abort();
      endHealth();
      // The store may take longer; what it then has not acknowledged stays in Redis.
      await Promise.race([ended, sleep(Math.min(config.SWEEP_INTERVAL_MS + 2_000, config.DRAIN_MS))]);
      const given = all.map((partition) => deps.lease.give(partition, holder).catch(() => undefined));
      await Promise.race([Promise.all(given), sleep(UNLEASE_MS)]);
    },
  };
}
