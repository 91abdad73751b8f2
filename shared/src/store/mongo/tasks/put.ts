/** Writes ended tasks: the bodies first, so that a task that is there is whole. */
import type { Filter } from 'mongodb';
import type { Log } from '../../../log.ts';
import { type ArchivedTask, compareEnds, type PutEnds, type TaskStore } from '../../../store.ts';
import type { TaskRecord } from '../../../task.ts';
import { bodyKeys, bodyKinds, endName, pack, piecesOf, sizeOf } from '../bodies.ts';
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

const endOf = ({ attempt, endedAt, createdAt }: TaskRecord) => ({ attempt, at: endedAt ?? createdAt });

async function documentsOf({ record, input, events, timeoutMs, idempotency }: ArchivedTask, log: Log) {
  const key = keyOf(record.owner, record.id);
  const { attempt, at } = endOf(record);
  const end = endName({ attempt, ended_at: at });
  const texts = { input, output: record.output, events: events.length === 0 ? null : JSON.stringify(events) };
  const bodies = await Promise.all(bodyKinds.map((kind) => piecesOf(key, end, kind, texts[kind])));
  const [inputs, outputs, logs] = bodies.map((pieces) => pieces.length) as [number, number, number];
  const task: TaskDocument = {
    _id: key,
    owner: record.owner,
    task_id: record.id,
    type: record.type,
    status: record.status,
    created_at: record.createdAt,
    attempt,
    ended_at: at,
    timeout_ms: timeoutMs,
    ...(idempotency ? { key_hash: idempotency.hash, fingerprint: idempotency.fingerprint } : {}),
    record: await packRecord(record, log),
    pieces: { input: inputs, output: outputs, events: logs },
  };
  return { task, bodies: bodies.flat() };
}

const bodyGroups = (call: Call) =>
  groups<BodyDocument>((documents) =>
    call(async (db) => {
      await insertNew(db.bodies, documents);
    }),
  );

type Known = Pick<TaskDocument, '_id' | 'owner' | 'attempt' | 'ended_at' | 'pieces' | 'replaced' | 'former'>;
const known = { owner: 1, attempt: 1, ended_at: 1, pieces: 1, replaced: 1, former: 1 } as const;

const nameOf = ({ owner, id }: Pick<Key, 'owner' | 'id'>) =>
  JSON.stringify([owner, id].map((part) => part.toWellFormed()));

/** What is there of these tasks, also when they were purged. */
async function find(tasks: ArchivedTask[], call: Call): Promise<Map<string, Known>> {
  const keys = tasks.map(({ record }) => keyOf(record.owner, record.id));
  const found = await call((db) => db.tasks.find({ _id: { $in: keys } }, { ...db.read, projection: known }).toArray());
  return new Map(found.map((task) => [nameOf(task._id), task]));
}

/** Bodies and tasks, in this order. Gives the keys of the tasks that another one has put meanwhile. */
async function insertTasks(tasks: ArchivedTask[], call: Call, log: Log): Promise<Set<string>> {
  const written: TaskDocument[] = [];
  const overtaken = new Set<string>();
  const bodies = bodyGroups(call);
  const records = groups<TaskDocument>(async (documents) => {
    const fresh = await call((db) => insertNew(db.tasks, documents));
    for (const task of documents) if (!fresh.includes(task)) overtaken.add(nameOf(task._id));
  });
  for (const archived of tasks) {
    const documents = await documentsOf(archived, log);
    for (const body of documents.bodies) await bodies.add(body, sizeOf(body.data));
    written.push(documents.task);
  }
  await bodies.flush();
  for (const task of written) await records.add(task, sizeOf(task.record ?? ''));
  await records.flush();
  return overtaken;
}

/** Puts a later end in the place of the one that is known. False when that one has changed. */
async function replaceTask(archived: ArchivedTask, stood: Known, call: Call, log: Log): Promise<boolean> {
  const { task, bodies } = await documentsOf(archived, log);
  const added = bodyGroups(call);
  for (const body of bodies) await added.add(body, sizeOf(body.data));
  await added.flush();
  const { _id, ...fields } = task;
  const former = { end: endName(stood), pieces: stood.pieces ?? { input: 0, output: 0, events: 0 } };
  const guard = { _id, owner: task.owner, attempt: stood.attempt, ended_at: stood.ended_at } as Filter<TaskDocument>;
  const { matchedCount } = await call(({ tasks }) =>
    tasks.updateOne(guard, { $set: { ...fields, replaced: true, former } }),
  );
  if (matchedCount > 0) await removeFormer(task._id, former, call);
  return matchedCount > 0;
}

/** May be repeated. */
async function removeFormer(key: Key, { end, pieces }: NonNullable<Known['former']>, call: Call): Promise<void> {
  await call(async (db, signal) => {
    await db.bodies.deleteMany({ _id: { $in: bodyKeys(key, end, pieces) } });
    signal.throwIfAborted();
    await db.tasks.updateOne({ _id: key, 'former.end': end }, { $unset: { former: 1 } });
  });
}

/** One that is there already. False when it changed meanwhile, and is to be looked at again. */
async function putAgain(task: ArchivedTask, stood: Known, ends: PutEnds, deps: { call: Call; log: Log }) {
  // Purged: it has no bodies, and shall not get them again.
  if (stood.owner === undefined) return true;
  if (stood.former) await removeFormer(stood._id, stood.former, deps.call);
  const { id } = task.record;
  const later = compareEnds(endOf(task.record), { attempt: stood.attempt ?? 0, at: stood.ended_at ?? 0 });
  if (later > 0 && !(await replaceTask(task, stood, deps.call, deps.log))) return false;
  if (later < 0) ends.overtaken.push(id);
  else if (later > 0 || stood.replaced) ends.replacing.push(id);
  return true;
}

export const putTasks =
  (call: Call, log: Log): TaskStore['put'] =>
  async (tasks) => {
    const ends: PutEnds = { overtaken: [], replacing: [] };
    for (let left = tasks; left.length > 0; ) {
      const stood = await find(left, call);
      const again: ArchivedTask[] = [];
      const fresh: ArchivedTask[] = [];
      for (const task of left) {
        const one = stood.get(nameOf(task.record));
        if (!one) fresh.push(task);
        else if (!(await putAgain(task, one, ends, { call, log }))) again.push(task);
      }
      const overtaken = await insertTasks(fresh, call, log);
      left = [...again, ...fresh.filter(({ record }) => overtaken.has(nameOf(record)))];
    }
    return ends;
  };
