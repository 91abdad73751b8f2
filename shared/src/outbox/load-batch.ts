/**
 * Loads ended tasks for the store, as many as fit in memory. Each is loaded by itself: one that cannot be read holds up no other.
 */
import { isUnavailable } from '../errors.ts';
import type { Failure } from '../part.ts';
import type { EndedTasks } from '../record/ended-tasks.ts';
import type { Clock } from '../redis/clock.ts';
import type { ArchivedTask } from '../store.ts';

/** What the tasks of a batch may take in memory. */
const BATCH_BYTES = 8 * 1024 * 1024;
/** Loaded at once, so that their events are counted before the next ones are. */
const LOADED_AT_ONCE = 10;
/** A larger input is not kept: a batch of one would not be bounded by anything. */
const MAX_INPUT_BYTES = 8 * 1024 * 1024;

const bytesOf = ({ record, input, events }: ArchivedTask) =>
  events.reduce((sum, { data }) => sum + data.length, (record.output?.length ?? 0) + (input?.length ?? 0));

const isFailure = (one: unknown): one is Failure => typeof one === 'object' && one !== null && 'what' in one;

type LoadDeps = { endedTasks: EndedTasks; clock: Clock };

/** What a look at one task gives, or how it failed. When Redis is away all fail, and are done again. */
async function lookAt<T>(clock: Clock, partition: number, id: string, look: () => Promise<T>): Promise<T | Failure> {
  try {
    return await clock.guard(look, { partition });
  } catch (error) {
    if (isUnavailable(error)) throw error;
    return { id, what: 'an ended task cannot be read, and stays in Redis for good', error };
  }
}

/**
 * The first of these tasks, as many as a batch may hold; `count` says how many that were. Those that are gone were archived
 * before, or went with their Redis.
 */
export async function loadBatch(
  { endedTasks, clock }: LoadDeps,
  partition: number,
  ids: string[],
  maxEventBytes: number,
) {
  const bounds = { maxInputBytes: MAX_INPUT_BYTES, maxEventBytes };
  const look = <T>(id: string, work: () => Promise<T>) => lookAt(clock, partition, id, work);
  const looks = ids.map((id) => look(id, () => endedTasks.sizes(partition, [id], bounds)));
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
    const loads = ids.slice(count, end).map((id) => look(id, () => endedTasks.load(partition, id, bounds)));
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
