/**
 * Ended tasks in MongoDB. Bodies are written before their tasks and removed after them, so a task that is there is whole;
 * bodies that a crash left without a task are written over by the repeat. A purged task is only its key.
 */
import type { LogEntry } from '../../event.ts';
import type { Log } from '../../log.ts';
import type { TaskStore } from '../../store.ts';
import type { TaskRecord } from '../../task.ts';
import { endName, readBody, unpack } from './bodies.ts';
import type { Call } from './client.ts';
import { type BodyKind, keyOf, number, type TaskDocument, text } from './schema.ts';
import { purgeTasks } from './tasks/purge.ts';
import { putTasks } from './tasks/put.ts';

/** One that is not purged. */
type Kept = TaskDocument & Required<Pick<TaskDocument, 'record' | 'pieces' | 'timeout_ms'>>;
const isKept = (task: TaskDocument | null): task is Kept => task?.record !== undefined;

async function recordOf({ record }: Pick<Kept, 'record'>, output: string | null): Promise<TaskRecord> {
  return { ...(JSON.parse(await unpack(record)) as TaskRecord), output };
}

export function mongoTasks(call: Call, log: Log): TaskStore {
  const find = (owner: string, id: string) => call(({ tasks, read }) => tasks.findOne({ _id: keyOf(owner, id) }, read));

  /** A task that is not purged, and one of its bodies. */
  async function withBody(
    task: TaskDocument | null,
    kind: BodyKind,
  ): Promise<{ task: Kept; body: string | null } | null> {
    if (!isKept(task)) return null;
    const pieces = task.pieces[kind];
    const body = await call((db) => readBody(db, task._id, endName(task), kind, pieces));
    if (body !== null || pieces === 0) return { task, body };
    // It may be purged at this moment, or end anew; else somebody took the body away.
    const now = await find(task._id.owner, task._id.id);
    if (isKept(now) && endName(now) !== endName(task)) return withBody(now, kind);
    return isKept(now) ? { task, body } : null;
  }

  return {
    put: putTasks(call, log),

    async read(owner, id, place) {
      const task = await find(owner, id);
      if (task === null) return null;
      if (place === 'listed') return isKept(task) ? recordOf(task, null) : 'purged';
      const found = await withBody(task, 'output');
      return found ? recordOf(found.task, found.body) : 'purged';
    },

    async ownerOf(id) {
      const found = await call(({ tasks, read }) =>
        tasks.findOne({ '_id.id': text(id) }, { ...read, projection: { _id: 1 } }),
      );
      return found?._id.owner ?? null;
    },

    async readRequest(owner, id) {
      const found = await withBody(await find(owner, id), 'input');
      return found && { input: found.body, timeoutMs: found.task.timeout_ms };
    },

    async readEvents(owner, id) {
      const found = await withBody(await find(owner, id), 'events');
      return found && (JSON.parse(found.body ?? '[]') as LogEntry[]);
    },

    async findByKey(owner, hash) {
      const filter = { owner: text(owner), key_hash: text(hash) };
      const projection = { task_id: 1, fingerprint: 1 };
      // A few, of a Redis that had lost the key.
      const found = await call(({ tasks, read }) => tasks.find(filter, { ...read, limit: 10, projection }).toArray());
      const [newest] = found.sort((a, b) => (a._id.id < b._id.id ? 1 : -1));
      return newest ? { id: newest._id.id, fingerprint: newest.fingerprint ?? '' } : null;
    },

    async list(owner, { limit, before, type, status }) {
      if (number(limit) < 1) return [];
      const filter = {
        owner: text(owner),
        ...(before === null ? {} : { task_id: { $lt: text(before) } }),
        ...(type === undefined ? {} : { type: text(type) }),
        ...(status === undefined ? {} : { status: text(status) }),
      };
      const found = await call(({ tasks, read }) =>
        tasks.find(filter, { ...read, sort: { task_id: -1 }, limit, projection: { record: 1 } }).toArray(),
      );
      return Promise.all(found.filter(isKept).map((task) => recordOf(task, null)));
    },

    purge: purgeTasks(call),
  };
}
