/**
 * Lists an owner's tasks, newest first: those in Redis and those in the store as one list, by one cursor. Redis is read
 * first, because a task is in the store before it leaves Redis: so none falls between.
 */
import type { Tasks } from '../record/tasks.ts';
import type { Clock } from '../redis/clock.ts';
import { fromStore, isAway } from '../store/answer.ts';
import type { Store } from '../store.ts';
import { endStatuses, type TaskRecord } from '../task.ts';
import { type Status, statusAt } from '../task-view.ts';

/** Records of Redis looked at for one page of a filtered list; the page may then be short, with a cursor to go on. */
const MAX_SCANNED = 2_000;
/** Records read at once for a filtered list, however short its pages. */
const FILTERED_PAGE = 100;

export type ListQuery = {
  type?: string | undefined;
  status?: Status | undefined;
  limit: number;
  /** The last id of the page before. */
  before: string | null;
};

/** Tasks of one place, newest first: all there are above `down`, or, when it is null, all. */
type Part = { tasks: TaskRecord[]; down: string | null };

type ListDeps = { tasks: Tasks; clock: Clock; store: Store };

async function inRedis({ tasks, clock }: ListDeps, owner: string, query: ListQuery, now: number): Promise<Part> {
  const { type, status, limit } = query;
  const pageSize = type || status ? Math.max(limit, FILTERED_PAGE) : limit;
  const found: TaskRecord[] = [];
  let before = query.before;
  for (let scanned = 0; found.length < limit && scanned < MAX_SCANNED; ) {
    const page = await clock.guard(() => tasks.list(owner, pageSize, before), 'all');
    found.push(
      ...page.tasks.filter((task) => (!type || task.type === type) && (!status || statusAt(task, now) === status)),
    );
    if (page.ids.length < pageSize) return { tasks: found, down: null };
    scanned += page.ids.length;
    before = page.ids.at(-1) ?? null;
  }
  return { tasks: found, down: before };
}

/** Null when the store is away. */
async function inStore({ store }: ListDeps, owner: string, query: ListQuery): Promise<Part | null> {
  const { status, limit } = query;
  // It has ended tasks only.
  if (status !== undefined && !(endStatuses as readonly string[]).includes(status)) return { tasks: [], down: null };
  try {
    const tasks = await fromStore(store.tasks.list(owner, query));
    return { tasks, down: tasks.length < limit ? null : (tasks.at(-1)?.id ?? null) };
  } catch (error) {
    if (isAway(error)) return null;
    throw error;
  }
}

/** A page; `next` is the cursor of the one after it. `incomplete`: the store is away, and what it alone has is missing. */
export async function listTasks(
  deps: ListDeps,
  owner: string,
  query: ListQuery,
): Promise<{ tasks: TaskRecord[]; next: string | null; incomplete: boolean }> {
  const kept = await inRedis(deps, owner, query, deps.clock.now());
  const archived = await inStore(deps, owner, query);
  const parts = archived ? [kept, archived] : [kept];
  // Below the higher of these ids one of the two may have what was not read.
  const downs = parts.map(({ down }) => down).filter((down) => down !== null);
  const down = downs.sort().at(-1) ?? null;

  const byId = new Map<string, TaskRecord>();
  // What both have is taken from Redis.
  for (const { tasks } of parts.reverse()) for (const task of tasks) byId.set(task.id, task);
  const known = [...byId.values()]
    .filter(({ id }) => down === null || id >= down)
    .sort((a, b) => (a.id < b.id ? 1 : -1));
  const tasks = known.slice(0, query.limit);
  const next = known.length > query.limit ? (tasks.at(-1)?.id ?? null) : down;
  return { tasks, next, incomplete: archived === null };
}
