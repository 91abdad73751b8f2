/**
 * The archive: brings every ended task from the bus to the store, and only then lets its time in Redis run. One loop for
 * each partition that this relay holds, apart from the sweep, which never waits for the store.
 *
 * The order makes every crash harmless: put into the store → its session → mark for removal → confirm the bus. What was
 * not confirmed is done again, and the store keeps what it has. While the store is away nothing is marked and nothing is
 * confirmed: the tasks stay in Redis, their transitions on the bus, and both drain in order when it is back. What fails of one
 * task alone holds up no other (held-tasks.ts).
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Environment } from '../../config.ts';
import type { Deps } from '../../deps.ts';
import { TaskError } from '../../errors.ts';
import { createSessionKeeper } from '../../sessions/keep-changes.ts';
import type { ArchivedTask } from '../../store.ts';
import { isEnd } from '../../task.ts';
import { atMost } from '../at-most.ts';
import { createHeldTasks, type Failure } from '../deferred-tasks.ts';
import { createStoreOutage, inStore, StoreAway } from '../store-outage.ts';

const SINK = 'store';
/** Tasks put at once, transitions read for them (each task has several), and what the tasks may take in memory. */
const BATCH = 100;
const PAGE = 400;
const BATCH_BYTES = 8 * 1024 * 1024;
/** Loaded at once, so that their events are counted before the next ones are. */
const LOADED_AT_ONCE = 10;
/** A larger input is not kept: a batch of one would not be bounded by anything. */
const MAX_INPUT_BYTES = 8 * 1024 * 1024;
/** Rounds until everything is looked at again although the bus ends as it did. */
const LOOK_ROUNDS = 5;
/** Partitions at work at once: each may hold a batch in memory. */
const AT_ONCE = 4;

/** What the bus ended with when there was nothing left to do (undefined: unknown), and the rounds since. */
type Quiet = { at: string | null | undefined; rounds: number };

const DAY_MS = 24 * 60 * 60_000;
const PURGE_BATCH = 500;
const PURGE_EVERY_MS = 60_000;

const bytesOf = ({ record, input, events }: ArchivedTask) =>
  events.reduce((sum, { data }) => sum + data.length, (record.output?.length ?? 0) + (input?.length ?? 0));

/**
 * `holds`: whether a partition is this relay's, as far as it knows. Gives the loop of a partition and that of the purge; both
 * end with `stop`.
 */
export function createArchive(
  deps: Deps,
  config: Environment,
  holds: (partition: number) => boolean,
  stop: AbortSignal,
) {
  const { schedule, endedTasks, store, clock, log } = deps;
  const bounds = { maxInputBytes: MAX_INPUT_BYTES, maxEventBytes: config.ARCHIVE_EVENT_BYTES };
  const outage = createStoreOutage(deps, stop);
  const heldTasks = createHeldTasks(deps, config);
  const keepSessions = createSessionKeeper(deps);
  const inTurn = atMost(AT_ONCE);
  const pause = (ms: number) => delay(ms, undefined, { signal: stop }).catch(() => undefined);
  const when = (partition: number) => ({ partition });

  /** Puts them, all at once if the store can. Gives those that it has now. */
  async function put(tasks: ArchivedTask[]): Promise<ArchivedTask[]> {
    if (tasks.length === 0) return [];
    try {
      await inStore(() => store.tasks.put(tasks));
      outage.over();
      return tasks;
    } catch (error) {
      if (error instanceof StoreAway) throw error;
      const [task, ...others] = tasks;
      if (task && others.length === 0) {
        // It must not hold up all that come after it.
        log.error({ error, task_id: task.record.id }, 'the store refused a task, which stays in Redis for good');
        return [];
      }
      const taken: ArchivedTask[] = [];
      for (const one of tasks) taken.push(...(await put([one])));
      return taken;
    }
  }

  /** What a look at one task gives, or how it failed. When Redis is away all fail, and are done again. */
  async function lookAt<T>(partition: number, id: string, look: () => Promise<T>): Promise<T | Failure> {
    try {
      return await clock.guard(look, when(partition));
    } catch (error) {
      if (error instanceof TaskError && error.code === 'unavailable') throw error;
      return { id, what: 'an ended task cannot be read, and stays in Redis for good', error };
    }
  }
  const isFailure = (one: unknown): one is Failure => typeof one === 'object' && one !== null && 'what' in one;

  /** Loads the first of these tasks, as many as a batch may hold. Those that are gone were archived before, or went with their Redis. */
  async function load(partition: number, ids: string[]) {
    const looks = ids.map((id) => lookAt(partition, id, () => endedTasks.sizes(partition, [id], bounds)));
    const sizes = (await Promise.all(looks)).map((size) => (isFailure(size) ? 0 : (size[0] ?? 0)));
    const tasks: ArchivedTask[] = [];
    const failures: Failure[] = [];
    let count = 0;
    let bytes = 0;
    while (count < ids.length && bytes < BATCH_BYTES) {
      let end = count + 1;
      // Their events come on top, and are known when they are there.
      for (let sum = bytes + (sizes[count] ?? 0); end < count + LOADED_AT_ONCE && end < ids.length; end++) {
        sum += sizes[end] ?? 0;
        if (sum > BATCH_BYTES) break;
      }
      const loads = ids
        .slice(count, end)
        .map((id) => lookAt(partition, id, () => endedTasks.load(partition, id, bounds)));
      for (const task of await Promise.all(loads)) {
        if (isFailure(task)) failures.push(task);
        else if (task !== null) {
          tasks.push(task);
          bytes += bytesOf(task);
        }
      }
      count = end;
      if (bytes + (sizes[count] ?? 0) > BATCH_BYTES) break;
    }
    return { tasks, failures, count };
  }

  /** Archives the first of these ended tasks, as many as fit a batch. Gives how many that were, and which of them are held. */
  async function archive(partition: number, ids: string[]) {
    const { tasks, failures, count } = await load(partition, ids);
    const taken = await put(tasks);
    const held = await heldTasks.hold(partition, [...failures, ...(await keepSessions(tasks))]);
    const kept = taken.map(({ record }) => record.id).filter((id) => !held.has(id));
    await clock.guard(() => schedule.keep(partition, kept, config.TASK_RETENTION_MS), when(partition));
    return { count, held };
  }

  /** One batch; true when there may be more. */
  async function round(partition: number): Promise<boolean> {
    const again = await heldTasks.due(partition, BATCH);
    let tried = 0;
    if (again.length > 0) {
      const { count, held } = await archive(partition, again);
      tried = count;
      await heldTasks.release(
        partition,
        again.slice(0, count).filter((id) => !held.has(id)),
      );
    }
    const before = await clock.guard(() => schedule.keptBefore(partition, BATCH), when(partition));
    if (before.length > 0) {
      const done = before.slice(0, (await archive(partition, before)).count);
      await clock.guard(() => schedule.forgetKeptBefore(partition, done), when(partition));
      return true;
    }
    const entries = await clock.guard(() => schedule.readBus(partition, SINK, PAGE), when(partition));
    const ends = entries.flatMap(({ to }, index) => (isEnd(to) ? [index] : []));
    const ids = ends.slice(0, BATCH).map((index) => entries[index]?.task ?? '');
    const done = ids.length === 0 ? 0 : (await archive(partition, [...new Set(ids)])).count;
    const next = ends[done] ?? entries.length;
    const last = entries[next - 1];
    if (last) await clock.guard(() => schedule.confirmBus(partition, SINK, last.entryId), when(partition));
    return next < entries.length || entries.length === PAGE || tried < again.length || again.length === BATCH;
  }

  /**
   * A round if there is anything to do; true when there may be more. While nothing comes it costs one command. Where the bus
   * ends is compared for being the same only: after a failover what comes may bear a lower id than what was seen before.
   */
  async function look(partition: number, quiet: Quiet): Promise<boolean> {
    const newest = await clock.guard(() => schedule.newestOnBus(partition), when(partition));
    if (newest === quiet.at && ++quiet.rounds < LOOK_ROUNDS && !heldTasks.any(partition)) return false;
    quiet.at = undefined;
    const more = await inTurn(() => round(partition));
    if (!more) Object.assign(quiet, { at: newest, rounds: 0 });
    return more;
  }

  return {
    async loop(partition: number): Promise<void> {
      let registered = false;
      const quiet: Quiet = { at: undefined, rounds: 0 };
      while (!stop.aborted) {
        let more = false;
        try {
          if (clock.available(partition)) {
            // Whoever holds the partition: nothing is to leave the bus any more that the store does not have.
            if (!registered) await clock.guard(() => schedule.registerSink(partition, SINK), when(partition));
            registered = true;
            if (holds(partition)) more = await look(partition, quiet);
            else {
              quiet.at = undefined;
              heldTasks.forget(partition);
            }
          }
        } catch (error) {
          if (error instanceof StoreAway) {
            await outage.wait(error);
            more = true;
          } else if (clock.available(partition)) log.warn({ error, partition }, 'a round of the archive failed');
        }
        if (!more) await pause(config.SWEEP_INTERVAL_MS);
      }
    },

    /** Forgets what is past STORE_RETENTION_DAYS, some at a time, from the relay that holds the first partition. */
    async purge(): Promise<void> {
      if (config.STORE_RETENTION_DAYS === 0) return;
      let fails = false;
      while (!stop.aborted) {
        let gone = 0;
        const held = clock.available(0) && holds(0);
        try {
          if (held) {
            gone = await store.tasks.purge(clock.now() - config.STORE_RETENTION_DAYS * DAY_MS, PURGE_BATCH);
            if (fails) log.info('the store is purged again');
            fails = false;
          }
        } catch (error) {
          log[fails ? 'debug' : 'warn']({ error }, 'the store could not be purged, which is tried each minute');
          fails = true;
        }
        if (gone < PURGE_BATCH) await pause(held ? PURGE_EVERY_MS : config.SWEEP_INTERVAL_MS);
      }
    },
  };
}
