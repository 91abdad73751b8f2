/** Ended tasks in SQLite. */
import type { LogEntry } from '../../event.ts';
import { type ArchivedTask, compareEnds, type PutEnds, type TaskStore } from '../../store.ts';
import type { TaskRecord } from '../../task.ts';
import type { Sync } from './nouns.ts';
import type { Row, Sql, SqlValue } from './schema.ts';

function recordOf(row: Row): TaskRecord {
  return { ...(JSON.parse(row.record as string) as TaskRecord), output: (row.output ?? null) as string | null };
}

const BODIES = ['task_outputs', 'task_inputs', 'task_events'];

const endOf = ({ attempt, endedAt, createdAt }: TaskRecord) => ({ attempt, at: endedAt ?? createdAt });

/** Of a record what its row holds. */
function columnsOf({ record: { output: _output, ...record }, timeoutMs, idempotency }: ArchivedTask): SqlValue[] {
  const { attempt, at } = endOf({ ...record, output: null });
  const key = [idempotency?.hash ?? null, idempotency?.fingerprint ?? null];
  return [record.type, record.status, attempt, at, timeoutMs, ...key, JSON.stringify(record)];
}

/** Gives its row number; undefined when it is there, or was purged. */
function insertTask(sql: Sql, task: ArchivedTask): number | undefined {
  const { owner, id } = task.record;
  const row = sql.get(
    `INSERT INTO tasks (owner, id, type, status, attempt, ended_at, timeout_ms, key_hash, fingerprint, record)
     SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
     WHERE NOT EXISTS (SELECT 1 FROM purged_tasks WHERE owner = ? AND id = ?)
     ON CONFLICT DO NOTHING RETURNING number`,
    ...[owner, id, ...columnsOf(task), owner, id],
  );
  return row?.number as number | undefined;
}

/** One that is there: a later end takes the place of the one before. */
function putAgain(sql: Sql, task: ArchivedTask, ends: PutEnds) {
  const { owner, id } = task.record;
  const known = sql.get('SELECT number, attempt, ended_at, replaced FROM tasks WHERE owner = ? AND id = ?', owner, id);
  if (!known) return;
  const stood = { attempt: known.attempt as number, at: known.ended_at as number };
  const later = compareEnds(endOf(task.record), stood);
  if (later < 0) ends.overtaken.push(id);
  else if (later > 0 || known.replaced === 1) ends.replacing.push(id);
  if (later <= 0) return;
  const number = known.number as number;
  sql.run(
    `UPDATE tasks SET type = ?, status = ?, attempt = ?, ended_at = ?, timeout_ms = ?, key_hash = ?, fingerprint = ?,
       record = ?, replaced = 1
     WHERE number = ?`,
    ...[...columnsOf(task), number],
  );
  removeBodies(sql, number);
  putBodies(sql, number, task);
}

function putBodies(sql: Sql, number: number, { record: { output }, input, events }: ArchivedTask) {
  if (output !== null) sql.run('INSERT INTO task_outputs (task, output) VALUES (?, ?)', number, output);
  if (input !== null) sql.run('INSERT INTO task_inputs (task, input) VALUES (?, ?)', number, input);
  if (events.length > 0) {
    sql.run('INSERT INTO task_events (task, events) VALUES (?, ?)', number, JSON.stringify(events));
  }
}

function removeBodies(sql: Sql, number: SqlValue) {
  for (const table of BODIES) sql.run(`DELETE FROM ${table} WHERE task = ?`, number);
}

export function sqliteTasks(sql: Sql): Sync<TaskStore> {
  return {
    put(tasks) {
      const ends: PutEnds = { overtaken: [], replacing: [] };
      for (const task of tasks) {
        const number = insertTask(sql, task);
        if (number === undefined) putAgain(sql, task, ends);
        else putBodies(sql, number, task);
      }
      return ends;
    },

    read(owner, id, place) {
      const row =
        place === 'whole'
          ? sql.get(
              `SELECT record, output FROM tasks LEFT JOIN task_outputs ON task = number WHERE owner = ? AND id = ?`,
              ...[owner, id],
            )
          : sql.get('SELECT record FROM tasks WHERE owner = ? AND id = ?', owner, id);
      if (row) return recordOf(row);
      return sql.get('SELECT 1 FROM purged_tasks WHERE owner = ? AND id = ?', owner, id) ? 'purged' : null;
    },

    ownerOf(id) {
      const row = sql.get(
        'SELECT owner FROM tasks WHERE id = ? UNION ALL SELECT owner FROM purged_tasks WHERE id = ?',
        ...[id, id],
      );
      return (row?.owner ?? null) as string | null;
    },

    readRequest(owner, id) {
      const row = sql.get(
        `SELECT timeout_ms, input FROM tasks LEFT JOIN task_inputs ON task = number WHERE owner = ? AND id = ?`,
        ...[owner, id],
      );
      return row ? { input: row.input as string | null, timeoutMs: row.timeout_ms as number } : null;
    },

    readEvents(owner, id) {
      const row = sql.get(
        `SELECT events FROM tasks LEFT JOIN task_events ON task = number WHERE owner = ? AND id = ?`,
        ...[owner, id],
      );
      return row ? (JSON.parse((row.events ?? '[]') as string) as LogEntry[]) : null;
    },

    findByKey(owner, hash) {
      const row = sql.get(
        `SELECT id, fingerprint FROM tasks INDEXED BY tasks_key WHERE owner = ? AND key_hash = ? ORDER BY id DESC LIMIT 1`,
        ...[owner, hash],
      );
      return row ? { id: row.id as string, fingerprint: row.fingerprint as string } : null;
    },

    list(owner, { limit, before, type, status }) {
      const wanted: [string, SqlValue | undefined][] = [
        ['type = ?', type],
        ['status = ?', status],
        ['id < ?', before ?? undefined],
      ];
      const given = wanted.filter((one): one is [string, SqlValue] => one[1] !== undefined);
      const where = ['owner = ?', ...given.map(([condition]) => condition)].join(' AND ');
      return sql
        .all(
          `SELECT record FROM tasks INDEXED BY ${listIndex(type, status)} WHERE ${where} ORDER BY id DESC LIMIT ?`,
          ...[owner, ...given.map(([, value]) => value), limit],
        )
        .map(recordOf);
    },

    purge(endedBefore, limit) {
      const tasks = sql.all(
        'SELECT number, owner, id FROM tasks WHERE ended_at < ? ORDER BY ended_at LIMIT ?',
        ...[endedBefore, limit],
      );
      for (const { number = null, owner = null, id = null } of tasks) {
        sql.run('INSERT INTO purged_tasks (owner, id) VALUES (?, ?) ON CONFLICT DO NOTHING', owner, id);
        sql.run('DELETE FROM tasks WHERE number = ?', number);
        removeBodies(sql, number);
      }
      return tasks.length;
    },
  };
}

/** The index in which what is asked for lies together, in the order of the list. */
function listIndex(type: string | undefined, status: string | undefined): string {
  if (type !== undefined) return status === undefined ? 'tasks_type' : 'tasks_type_status';
  return status === undefined ? 'tasks_id' : 'tasks_status';
}
