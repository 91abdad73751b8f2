/**
 * Lists an owner's tasks, newest first: those in Redis and those in the store as one list, by one cursor. Redis is read
 * first, because a task is in the store before it leaves Redis: so none falls between.
 *
 * A page ends by the work it costs: a filter that hardly anything passes gives a short page, with a cursor to go on. Of what
 * is only looked at, Redis reads the fields of the filter and nothing else.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { isUnavailable } from '../errors.ts';
import type { OwnerLines } from '../owners/lines.ts';
import type { Tasks } from '../record/tasks.ts';
import type { Clock } from '../redis/clock.ts';
import { fromStore } from '../store/answer.ts';
import type { Store } from '../store.ts';
import { endStatuses, type TaskRecord } from '../task.ts';
import { withTime } from '../task-id.ts';
import { type Status, statusAt } from '../task-view.ts';

/** Tasks of each place that are looked at for one page of a filtered list. */
const MAX_SCANNED = 2_000;
/** Looked at in one step. */
const STEP = 100;
/** After a step a list rests for as long as that took, at most: who lists without end leaves half of the time to others. */
const MAX_REST_MS = 10;
/** The time in an id is taken a little before that of the record. */
const ID_SLACK_MS = 60_000;

export type TaskFilter = {
  type?: string | undefined;
  status?: Status | undefined;
  /** Pairs that the metadata must have. */
  metadata?: Record<string, string> | undefined;
  /** Bounds of `created_at`, in ms: from the one, to before the other. */
  createdAfter?: number | undefined;
  createdBefore?: number | undefined;
};

export type ListQuery = TaskFilter & {
  limit: number;
  /** The last id of the page before. */
  before: string | null;
};

/** Tasks of one place, newest first: all there are above `down`, or, when it is null, all. */
type Found = { tasks: TaskRecord[]; down: string | null };

type ListDeps = { tasks: Tasks; clock: Clock; store: Store; listLines: OwnerLines };

/** What of a task a filter looks at. */
type Seen = Pick<TaskRecord, 'id' | 'type' | 'status' | 'attempt' | 'dueAt' | 'waiting' | 'createdAt' | 'metadata'>;

function passes(filter: TaskFilter, task: Seen, now: number): boolean {
  const { type, status, metadata = {}, createdAfter = 0, createdBefore = Number.POSITIVE_INFINITY } = filter;
  return (
    (type === undefined || task.type === type) &&
    (status === undefined || statusAt(task, now) === status) &&
    task.createdAt >= createdAfter &&
    task.createdAt < createdBefore &&
    Object.entries(metadata).every(
      ([name, value]) => Object.hasOwn(task.metadata, name) && task.metadata[name] === value,
    )
  );
}

/** No id of a task created at or after a time, given or take the slack, is below (or above) this one. */
const idAt = (ms: number) => withTime(`task_${'0'.repeat(25)}`, ms);
const lowestId = ({ createdAfter }: TaskFilter) => (createdAfter === undefined ? '' : idAt(createdAfter - ID_SLACK_MS));
const highestId = ({ createdBefore }: TaskFilter) =>
  createdBefore === undefined ? null : idAt(createdBefore + ID_SLACK_MS);

const isFiltered = ({ type, status, metadata, createdAfter, createdBefore }: TaskFilter) =>
  [type, status, metadata, createdAfter, createdBefore].some((one) => one !== undefined);

/** Looks at what `step` gives, from the newest on, until a page is full, nothing is left, or it has cost enough. */
async function walk(
  query: ListQuery,
  now: number,
  step: (before: string | null, count: number) => Promise<{ ids: string[]; seen: Seen[] }>,
): Promise<{ passed: Seen[]; down: string | null }> {
  const lowest = lowestId(query);
  const highest = highestId(query);
  const count = isFiltered(query) ? STEP : query.limit;
  const passed: Seen[] = [];
  let before = query.before;
  if (highest !== null && (before === null || highest < before)) before = highest;
  for (let scanned = 0; passed.length < query.limit && scanned < MAX_SCANNED; scanned += count) {
    const startedAt = performance.now();
    const { ids, seen } = await step(before, count);
    const took = performance.now() - startedAt;
    passed.push(...seen.filter((task) => task.id >= lowest && passes(query, task, now)));
    before = ids.at(-1) ?? null;
    if (before === null || ids.length < count || before < lowest) return { passed, down: null };
    if (passed.length < query.limit) await delay(Math.min(took, MAX_REST_MS));
  }
  return { passed, down: before };
}

async function inRedis({ tasks, clock }: ListDeps, owner: string, query: ListQuery, now: number): Promise<Found> {
  const { passed, down } = await walk(query, now, async (before, count) => {
    const ids = await clock.guard(() => tasks.listIds(owner, count, before), 'all');
    const seen = isFiltered(query) ? await clock.guard(() => tasks.listFiltered(ids), 'all') : ids.map(asSeen);
    return { ids, seen };
  });
  const found = await clock.guard(
    () =>
      tasks.listed(
        owner,
        passed.map(({ id }) => id),
      ),
    'all',
  );
  // What has changed since it was looked at is shown as it is, or not at all.
  return { tasks: found.filter((task) => passes(query, task, now)), down };
}

/** Without a filter nothing is looked at. */
const asSeen = (id: string): Seen => ({
  ...{ id, type: '', status: 'queued', attempt: 0, dueAt: 0, waiting: null, createdAt: 0, metadata: {} },
});

/** Null when the store is away. */
async function inStore({ store }: ListDeps, owner: string, query: ListQuery, now: number): Promise<Found | null> {
  const { type, status } = query;
  // It has ended tasks only.
  if (status !== undefined && !(endStatuses as readonly string[]).includes(status)) return { tasks: [], down: null };
  const known = new Map<string, TaskRecord>();
  try {
    const { passed, down } = await walk(query, now, async (before, count) => {
      // The type and the status are in its indexes: of these it reads no more than it gives.
      const given = await fromStore(store.tasks.list(owner, { type, status, limit: count, before }));
      for (const task of given) known.set(task.id, task);
      return { ids: given.map(({ id }) => id), seen: given };
    });
    return { tasks: passed.flatMap(({ id }) => known.get(id) ?? []), down };
  } catch (error) {
    if (isUnavailable(error)) return null;
    throw error;
  }
}

/**
 * A page; `next` is the cursor of the one after it. `incomplete`: the store is away, and what it alone has is missing. Throws
 * `rate_limited` when too many lists of the owner are under way.
 */
export function listTasks(
  deps: ListDeps,
  owner: string,
  query: ListQuery,
): Promise<{ tasks: TaskRecord[]; next: string | null; incomplete: boolean }> {
  return deps.listLines.run(owner, () => list(deps, owner, query));
}

async function list(deps: ListDeps, owner: string, query: ListQuery) {
  const now = deps.clock.now();
  const recent = await inRedis(deps, owner, query, now);
  const archived = await inStore(deps, owner, query, now);
  const places = archived ? [recent, archived] : [recent];
  // Below the higher of these ids one of the two may have what was not read.
  const downs = places.map(({ down }) => down).filter((down) => down !== null);
  const down = downs.sort().at(-1) ?? null;

  const byId = new Map<string, TaskRecord>();
  // What both have is taken from Redis.
  for (const { tasks } of places.reverse()) for (const task of tasks) byId.set(task.id, task);
  const known = [...byId.values()]
    .filter(({ id }) => down === null || id >= down)
    .sort((a, b) => (a.id < b.id ? 1 : -1));
  const tasks = known.slice(0, query.limit);
  const next = known.length > query.limit ? (tasks.at(-1)?.id ?? null) : down;
  return { tasks, next, incomplete: archived === null };
}
