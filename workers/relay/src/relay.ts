/**
 * The relay: holds the lease of partitions, sweeps their open tasks, and feeds the sinks from the bus. The first sink is
 * retention. Two relays at once do no harm: everything they do may be done twice.
 */
import { randomUUID } from 'node:crypto';
import type { Environment } from '@beanline/shared/config.ts';
import type { Deps } from '@beanline/shared/deps.ts';
import { keepHealthFile } from '@beanline/shared/health-file.ts';
import { sweepPartition } from '@beanline/shared/sweep-partition.ts';
import { isEnd } from '@beanline/shared/task.ts';

const BATCH = 500;
const MAX_CHECK_MS = 600_000;
const RETENTION = 'retention';
const UNLEASE_MS = 200;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export function startRelay(deps: Deps, config: Environment) {
  const { schedule, clock, log, partitions } = deps;
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
  let stopping = false;

  /** Ended tasks are kept for the retention, counted from the transition on the bus. */
  async function retain(partition: number) {
    for (;;) {
      const entries = await schedule.readBus(partition, RETENTION, BATCH);
      const last = entries.at(-1);
      if (!last) break;
      const ended = entries.filter(({ to }) => isEnd(to));
      await schedule.keep(
        partition,
        ended.map(({ task, at }) => ({ id: task, until: at + config.TASK_RETENTION_MS })),
      );
      await schedule.confirmBus(partition, RETENTION, last.entryId);
      if (entries.length < BATCH) break;
    }
    while (
      (await schedule.removeExpired(partition, clock.now(partition), BATCH, config.IDEMPOTENCY_RETENTION_MS)) === BATCH
    );
  }

  async function tend(partition: number) {
    const { held, fresh } = await schedule.lease(partition, holder, leaseMs);
    if (!held) return;
    // A lease that ran out while we were busy is no reason to look at everything again.
    const since = performance.now() - (sweptAt.get(partition) ?? Number.NEGATIVE_INFINITY);
    if (fresh && since > MAX_CHECK_MS) unswept.add(partition);
    const everything = unswept.has(partition);
    const holds = async () => !stopping && (await schedule.lease(partition, holder, leaseMs)).held;
    await sweepPartition(deps, partition, limits, everything, holds);
    if (everything && (await holds())) {
      unswept.delete(partition);
      sweptAt.set(partition, performance.now());
    }
    await retain(partition);
  }

  // Each by itself: the partitions of a master that is away hold up no other.
  async function loop(partition: number) {
    while (!stopping) {
      if (clock.available(partition)) {
        await tend(partition).catch((error: unknown) => log.warn({ error, partition }, 'a round of the relay failed'));
      }
      await sleep(config.SWEEP_INTERVAL_MS);
    }
  }

  const all = Array.from({ length: partitions }, (_, partition) => partition);
  const ended = Promise.all(all.map(loop));
  const endHealth = keepHealthFile(config.HEALTH_FILE, () => clock.available(), log);
  log.info('the relay is ready');
  return {
    async stop() {
      stopping = true;
      endHealth();
      await Promise.race([ended, sleep(config.SWEEP_INTERVAL_MS + 2_000)]);
      const given = all.map((partition) => schedule.unlease(partition, holder).catch(() => undefined));
      await Promise.race([Promise.all(given), sleep(UNLEASE_MS)]);
    },
  };
}
