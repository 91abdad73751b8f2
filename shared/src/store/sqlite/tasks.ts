/** Ended tasks in SQLite. */
import type { LogEntry } from '../../event.ts';
import type { TaskStore } from '../../store.ts';
import type { TaskRecord } from '../../task.ts';
import type { Sync } from './nouns.ts';
import type { Row, Sql, SqlValue } from './schema.ts';

function recordOf(row: Row): TaskRecord {
  return { ...(JSON.parse(row.record as string) as TaskRecord), output: (row.output ?? null) as string | null };
}

export function sqliteTasks(sql: Sql): Sync<TaskStore> {
  return {
    put(tasks) {
      for (const { record, input, timeoutMs, events } of tasks) {
        const { output, ...rest } = record;
        const { owner, id, type, status, endedAt, createdAt } = record;
        const row = sql.get(
          `INSERT INTO tasks (owner, id, type, status, ended_at, timeout_ms, record)
           SELECT ?, ?, ?, ?, ?, ?, ?
           WHERE NOT EXISTS (SELECT 1 FROM purged_tasks WHERE owner = ? AND id = ?)
           ON CONFLICT DO NOTHING RETURNING number`,
          ...[owner, id, type, status, endedAt ?? createdAt, timeoutMs, JSON.stringify(rest), owner, id],
        );
        if (!row) continue;
        const number = row.number as number;
        if (output !== null) sql.run('INSERT INTO task_outputs (task, output) VALUES (?, ?)', number, output);
        if (input !== null) sql.run('INSERT INTO task_inputs (task, input) VALUES (?, ?)', number, input);
        if (events.length > 0) {
          sql.run('INSERT INTO task_events (task, events) VALUES (?, ?)', number, JSON.stringify(events));
        }
      }
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
        for (const table of ['task_outputs', 'task_inputs', 'task_events']) {
          sql.run(`DELETE FROM ${table} WHERE task = ?`, number);
        }
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
