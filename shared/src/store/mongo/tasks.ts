/**
 * Ended tasks in MongoDB. Bodies are written before their tasks and removed after them, so a task that is there is whole;
 * bodies that a crash left without a task are written over by the repeat. A purged task is only its key.
 */
import type { LogEntry } from '../../event.ts';
import type { Log } from '../../log.ts';
import type { ArchivedTask, TaskStore } from '../../store.ts';
import type { TaskRecord } from '../../task.ts';
import { pack, pieceKeys, piecesOf, readBody, sizeOf, unpack } from './bodies.ts';
import type { Call } from './client.ts';
import { insertNew } from './insert.ts';
import {
  type BodyDocument,
  type BodyKind,
  type Key,
  keyOf,
  number,
  type Packed,
  type TaskDocument,
  text,
} from './schema.ts';

const kinds: BodyKind[] = ['input', 'output', 'events'];
/** Written at once: so much, and the rest of it is left to the next call, which has the whole STORE_TIMEOUT_MS again. */
const GROUP_BYTES = 4 * 1024 * 1024;
const MAX_RECORD_BYTES = 8 * 1024 * 1024;
const PURGED_AT_ONCE = 200;

/** What a task shows of itself. */
const shown = {
  owner: 1,
  task_id: 1,
  type: 1,
  status: 1,
  created_at: 1,
  timeout_ms: 1,
  record: 1,
} as const;

/** One that is not purged. */
type Kept = TaskDocument & Required<Pick<TaskDocument, 'record' | 'pieces' | 'timeout_ms'>>;
const isKept = (task: TaskDocument | null): task is Kept => task?.record !== undefined;

async function recordOf({ record }: Pick<Kept, 'record'>, output: string | null): Promise<TaskRecord> {
  return { ...(JSON.parse(await unpack(record)) as TaskRecord), output };
}

/** Hands on what `add` collects, a bounded group at a time. */
function groups<D>(write: (documents: D[]) => Promise<void>) {
  let group: D[] = [];
  let bytes = 0;
  const flush = async () => {
    const documents = group;
    group = [];
    bytes = 0;
    if (documents.length > 0) await write(documents);
  };
  const add = async (document: D, size: number) => {
    if (bytes + size > GROUP_BYTES) await flush();
    group.push(document);
    bytes += size;
  };
  return { add, flush };
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
    const body = await call((db) => readBody(db, task._id, kind, pieces));
    if (body !== null || pieces === 0) return { task, body };
    // It may be purged at this moment; else somebody took the body away.
    return isKept(await find(task._id.owner, task._id.id)) ? { task, body } : null;
  }

  /** What a document may hold of a record; what makes one too large for it is what an ended task does not show. */
  async function packRecord({ output: _output, ...record }: TaskRecord): Promise<Packed> {
    const packed = await pack(JSON.stringify(record));
    if (sizeOf(packed) <= MAX_RECORD_BYTES) return packed;
    log.warn({ taskId: record.id }, 'a record is too large for the store: kept without its approval and progress');
    return pack(JSON.stringify({ ...record, approval: null, progress: null }));
  }

  async function documentsOf({ record, input, events, timeoutMs }: ArchivedTask) {
    const key = keyOf(record.owner, record.id);
    const texts = { input, output: record.output, events: events.length === 0 ? null : JSON.stringify(events) };
    const bodies = await Promise.all(kinds.map((kind) => piecesOf(key, kind, texts[kind])));
    const [inputs, outputs, logs] = bodies.map((pieces) => pieces.length) as [number, number, number];
    const task: TaskDocument = {
      _id: key,
      owner: record.owner,
      task_id: record.id,
      type: record.type,
      status: record.status,
      created_at: record.createdAt,
      ...(record.endedAt === null ? {} : { ended_at: record.endedAt }),
      timeout_ms: timeoutMs,
      record: await packRecord(record),
      pieces: { input: inputs, output: outputs, events: logs },
    };
    return { task, bodies: bodies.flat() };
  }

  async function purgeThese(old: Pick<TaskDocument, '_id' | 'pieces'>[]): Promise<void> {
    const these = { _id: { $in: old.map(({ _id }) => _id) } };
    const bodies = old.flatMap(({ _id, pieces }) => kinds.flatMap((kind) => pieceKeys(_id, kind, pieces?.[kind] ?? 0)));
    await call(async (db, signal) => {
      await db.tasks.updateMany(these, { $unset: shown });
      signal.throwIfAborted();
      await db.bodies.deleteMany({ _id: { $in: bodies } });
      signal.throwIfAborted();
      // Last: until here a purge that was cut off is found again by them.
      await db.tasks.updateMany(these, { $unset: { ended_at: 1, pieces: 1 } });
    });
  }

  async function unknown(tasks: ArchivedTask[]): Promise<ArchivedTask[]> {
    const keys = tasks.map(({ record }) => keyOf(record.owner, record.id));
    const found = await call((db) =>
      db.tasks.find({ _id: { $in: keys } }, { ...db.read, projection: { _id: 1 } }).toArray(),
    );
    const name = ({ owner, id }: Pick<Key, 'owner' | 'id'>) =>
      JSON.stringify([owner, id].map((part) => part.toWellFormed()));
    const known = new Set(found.map(({ _id }) => name(_id)));
    return tasks.filter(({ record }) => !known.has(name(record)));
  }

  return {
    async put(tasks) {
      if (tasks.length === 0) return;
      const written: TaskDocument[] = [];
      const bodies = groups<BodyDocument>((documents) =>
        call(async (db) => {
          await insertNew(db.bodies, documents);
        }),
      );
      const records = groups<TaskDocument>((documents) =>
        call(async (db) => {
          await insertNew(db.tasks, documents);
        }),
      );
      // A purged task has no bodies, and shall not get them again.
      for (const archived of await unknown(tasks)) {
        const documents = await documentsOf(archived);
        for (const body of documents.bodies) await bodies.add(body, sizeOf(body.data));
        written.push(documents.task);
      }
      await bodies.flush();
      for (const task of written) await records.add(task, sizeOf(task.record ?? ''));
      await records.flush();
    },

    async read(owner, id, place) {
      const task = await find(owner, id);
      if (task === null) return null;
      if (place === 'listed') return isKept(task) ? recordOf(task, null) : 'purged';
      const found = await withBody(task, 'output');
      return found ? recordOf(found.task, found.body) : 'purged';
    },

    async readRequest(owner, id) {
      const found = await withBody(await find(owner, id), 'input');
      return found && { input: found.body, timeoutMs: found.task.timeout_ms };
    },

    async readEvents(owner, id) {
      const found = await withBody(await find(owner, id), 'events');
      return found && (JSON.parse(found.body ?? '[]') as LogEntry[]);
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

    async purge(endedBefore, limit) {
      let purged = 0;
      while (purged < limit) {
        const most = Math.min(PURGED_AT_ONCE, limit - purged);
        const old = await call(({ tasks, read }) => {
          const oldest = { ...read, sort: { ended_at: 1 } as const, limit: most, projection: { pieces: 1 } };
          return tasks.find({ ended_at: { $lt: number(endedBefore) } }, oldest).toArray();
        });
        if (old.length > 0) await purgeThese(old);
        purged += old.length;
        if (old.length < most) break;
      }
      return purged;
    },
  };
}
