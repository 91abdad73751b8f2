/**
 * The store as a sink: brings every ended task from the outbox to the store, and only then lets its time in Redis run. One
 * loop for each partition that this relay holds, apart from the sweep, which never waits for the store.
 *
 * The order makes every crash harmless: put into the store → what parts make of it → mark for removal → confirm the outbox.
 * What was not confirmed is done again, and the store keeps what it has. While the store is away nothing is marked and
 * nothing is confirmed: the tasks stay in Redis, their transitions in the outbox, and both drain in order when it is back.
 * What fails of one task alone holds up no other (deferred-tasks.ts).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { isUnavailable } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Failure, Part } from '../../part.ts';
import type { EndedTasks } from '../../record/ended-tasks.ts';
import type { Clock } from '../../redis/clock.ts';
import type { ArchivedTask, PutEnds, Store } from '../../store.ts';
import { isEnd } from '../../task.ts';
import { atMost } from '../at-most.ts';
import type { Deferred } from '../deferred.ts';
import { createDeferredTasks } from '../deferred-tasks.ts';
import { loadBatch } from '../load-batch.ts';
import type { Outbox } from '../outbox.ts';
import type { Retention } from '../retention.ts';
import { createStoreOutage, inStore, StoreAway } from '../store-outage.ts';

const SINK = 'store';
/** Tasks put at once, and transitions read for them: each task has several. */
const BATCH = 100;
const PAGE = 400;
/** Rounds until everything is looked at again although the outbox ends as it did. */
const LOOK_ROUNDS = 5;
/** Partitions at work at once: each may hold a batch in memory. */
const AT_ONCE = 4;

/** What the outbox ended with when there was nothing left to do (undefined: unknown), and the rounds since. */
type Quiet = { at: string | null | undefined; rounds: number };

export type StoreSinkDeps = {
  outbox: Outbox;
  retention: Retention;
  deferred: Deferred;
  endedTasks: EndedTasks;
  store: Store;
  parts: readonly Part[];
  clock: Clock;
  log: Log;
};

type Settings = { SWEEP_INTERVAL_MS: number; TASK_RETENTION_MS: number; ARCHIVE_EVENT_BYTES: number };

type Taken = PutEnds & { taken: ArchivedTask[] };

/** Puts tasks, all at once if the store can. Gives those that it has now, and what it says of their ends. */
async function put(store: Store, log: Log, tasks: ArchivedTask[]): Promise<Taken> {
  const all: Taken = { taken: [], overtaken: [], replacing: [] };
  if (tasks.length === 0) return all;
  try {
    return { taken: tasks, ...(await inStore(() => store.tasks.put(tasks))) };
  } catch (error) {
    if (error instanceof StoreAway) throw error;
    const [task, ...others] = tasks;
    if (task && others.length === 0) {
      // It must not hold up all that come after it.
      log.error({ error, task_id: task.record.id }, 'the store refused a task, which stays in Redis for good');
      return all;
    }
    for (const one of tasks) {
      const { taken, overtaken, replacing } = await put(store, log, [one]);
      all.taken.push(...taken);
      all.overtaken.push(...overtaken);
      all.replacing.push(...replacing);
    }
    return all;
  }
}

/** What a part makes of ended tasks. When it breaks on them it gets each alone, and those that it breaks on fail. */
async function tell(part: Part, tasks: ArchivedTask[], replacing: ReadonlySet<string>): Promise<Failure[]> {
  try {
    return (await part.ended?.(tasks, replacing)) ?? [];
  } catch (error) {
    if (error instanceof StoreAway || isUnavailable(error)) throw error;
    const [task, ...others] = tasks;
    if (task && others.length === 0) {
      return [{ id: task.record.id, what: `the part ${part.name} broke on an ended task, and goes without it`, error }];
    }
    const failed: Failure[] = [];
    for (const one of tasks) failed.push(...(await tell(part, [one], replacing)));
    return failed;
  }
}

/** One batch of a partition at a time. */
function createBatches(deps: StoreSinkDeps, settings: Settings, outage: ReturnType<typeof createStoreOutage>) {
  const { outbox, retention, store, parts, clock, log } = deps;
  const deferredTasks = createDeferredTasks(deps, settings);

  /** Archives the first of these ended tasks, as many as fit a batch. Gives how many that were, and which are deferred. */
  async function archive(partition: number, ids: string[]) {
    const { tasks, failures, count } = await loadBatch(deps, partition, ids, settings.ARCHIVE_EVENT_BYTES);
    const { taken, overtaken, replacing } = await put(store, log, tasks);
    if (taken.length > 0) outage.over();
    const failed: Failure[] = [...failures];
    // What a later end has taken the place of changes nothing any more.
    const standing = tasks.filter(({ record }) => !overtaken.includes(record.id));
    for (const part of parts) failed.push(...(await tell(part, standing, new Set(replacing))));
    const later = await deferredTasks.defer(partition, failed);
    const kept = taken.map(({ record }) => record.id).filter((id) => !later.has(id));
    await clock.guard(() => retention.keep(partition, kept, settings.TASK_RETENTION_MS), { partition });
    return { count, later };
  }

  return {
    any: deferredTasks.any,
    forget: deferredTasks.forget,

    /** True when there may be more. */
    async next(partition: number): Promise<boolean> {
      const again = await deferredTasks.due(partition, BATCH);
      let tried = 0;
      if (again.length > 0) {
        const { count, later } = await archive(partition, again);
        tried = count;
        const done = again.slice(0, count).filter((id) => !later.has(id));
        await deferredTasks.release(partition, done);
      }
      const entries = await clock.guard(() => outbox.read(partition, SINK, PAGE), { partition });
      const ends = entries.flatMap(({ to }, index) => (isEnd(to) ? [index] : []));
      const ids = ends.slice(0, BATCH).map((index) => entries[index]?.task ?? '');
      const done = ids.length === 0 ? 0 : (await archive(partition, [...new Set(ids)])).count;
      const next = ends[done] ?? entries.length;
      const last = entries[next - 1];
      if (last) await clock.guard(() => outbox.confirm(partition, SINK, last.entryId), { partition });
      return next < entries.length || entries.length === PAGE || tried < again.length || again.length === BATCH;
    },
  };
}

/**
 * `holds`: whether a partition is this relay's, as far as it knows. Gives the loop of a partition, which ends with `stop`.
 */
export function createStoreSink(
  deps: StoreSinkDeps,
  settings: Settings,
  holds: (partition: number) => boolean,
  stop: AbortSignal,
) {
  const { outbox, clock, log } = deps;
  const outage = createStoreOutage(deps, stop);
  const batches = createBatches(deps, settings, outage);
  const inTurn = atMost(AT_ONCE);
  const pause = (ms: number) => delay(ms, undefined, { signal: stop }).catch(() => undefined);

  /**
   * A batch if there is anything to do; true when there may be more. While nothing comes it costs one command. Where the outbox
   * ends is compared for being the same only: after a failover what comes may bear a lower id than what was seen before.
   */
  async function look(partition: number, quiet: Quiet): Promise<boolean> {
    const newest = await clock.guard(() => outbox.newest(partition), { partition });
    if (newest === quiet.at && ++quiet.rounds < LOOK_ROUNDS && !batches.any(partition)) return false;
    quiet.at = undefined;
    const more = await inTurn(() => batches.next(partition));
    if (!more) Object.assign(quiet, { at: newest, rounds: 0 });
    return more;
  }

  return async function loop(partition: number): Promise<void> {
    let registered = false;
    const quiet: Quiet = { at: undefined, rounds: 0 };
    while (!stop.aborted) {
      let more = false;
      try {
        if (clock.available(partition)) {
          // Whoever holds the partition: nothing is to leave the outbox any more that the store does not have.
          if (!registered) await clock.guard(() => outbox.registerSink(partition, SINK), { partition });
          registered = true;
          if (holds(partition)) more = await look(partition, quiet);
          else {
            quiet.at = undefined;
            batches.forget(partition);
          }
        }
      } catch (error) {
        if (error instanceof StoreAway) {
          await outage.wait(error);
          more = true;
        } else if (clock.available(partition)) log.warn({ error, partition }, 'a round of the archive failed');
      }
      if (!more) await pause(settings.SWEEP_INTERVAL_MS);
    }
  };
}
