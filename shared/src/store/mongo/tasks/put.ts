/** Writes ended tasks: the bodies first, so that a task that is there is whole. */
import type { Log } from '../../../log.ts';
import type { ArchivedTask, TaskStore } from '../../../store.ts';
import type { TaskRecord } from '../../../task.ts';
import { bodyKinds, pack, piecesOf, sizeOf } from '../bodies.ts';
import type { Call } from '../client.ts';
import { insertNew } from '../insert.ts';
import { type BodyDocument, type Key, keyOf, type Packed, type TaskDocument } from '../schema.ts';

/** Written at once: so much, and the rest of it is left to the next call, which has the whole STORE_TIMEOUT_MS again. */
const GROUP_BYTES = 4 * 1024 * 1024;
const MAX_RECORD_BYTES = 8 * 1024 * 1024;

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

/** What a document may hold of a record; what makes one too large for it is what an ended task does not show. */
async function packRecord({ output: _output, ...record }: TaskRecord, log: Log): Promise<Packed> {
  const packed = await pack(JSON.stringify(record));
  if (sizeOf(packed) <= MAX_RECORD_BYTES) return packed;
  log.warn({ taskId: record.id }, 'a record is too large for the store: kept without its approval and progress');
  return pack(JSON.stringify({ ...record, approval: null, progress: null }));
}

async function documentsOf({ record, input, events, timeoutMs }: ArchivedTask, log: Log) {
  const key = keyOf(record.owner, record.id);
  const texts = { input, output: record.output, events: events.length === 0 ? null : JSON.stringify(events) };
  const bodies = await Promise.all(bodyKinds.map((kind) => piecesOf(key, kind, texts[kind])));
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
    record: await packRecord(record, log),
    pieces: { input: inputs, output: outputs, events: logs },
  };
  return { task, bodies: bodies.flat() };
}

/** Those of which nothing is there, not even that they were purged. */
async function unknown(tasks: ArchivedTask[], call: Call): Promise<ArchivedTask[]> {
  const keys = tasks.map(({ record }) => keyOf(record.owner, record.id));
  const found = await call((db) =>
    db.tasks.find({ _id: { $in: keys } }, { ...db.read, projection: { _id: 1 } }).toArray(),
  );
  const name = ({ owner, id }: Pick<Key, 'owner' | 'id'>) =>
    JSON.stringify([owner, id].map((part) => part.toWellFormed()));
  const known = new Set(found.map(({ _id }) => name(_id)));
  return tasks.filter(({ record }) => !known.has(name(record)));
}

export const putTasks =
  (call: Call, log: Log): TaskStore['put'] =>
  async (tasks) => {
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
    for (const archived of await unknown(tasks, call)) {
      const documents = await documentsOf(archived, log);
      for (const body of documents.bodies) await bodies.add(body, sizeOf(body.data));
      written.push(documents.task);
    }
    await bodies.flush();
    for (const task of written) await records.add(task, sizeOf(task.record ?? ''));
    await records.flush();
  };
