/** What an ended task changes in its session, derived from its record and input. A type or an input that is not known: nothing. */
import type { Catalog } from '../../job-type.ts';
import type { EndedTask, SessionChange } from '../../session.ts';
import { isEnd, type TaskRecord } from '../../task.ts';
import { SESSION, TURN_OF } from '../marks.ts';

/** The session of a task, and its change; null when it has none, `change` null when it leaves its session as it is. */
export function sessionChangeOf(
  catalog: Catalog,
  { record, input }: { record: TaskRecord; input: string | null },
): { sessionId: string; change: SessionChange | null } | null {
  const type = catalog.get(record.type);
  const sessionId = record.marks[SESSION];
  if (sessionId === undefined || !type || input === null || !isEnd(record.status)) return null;
  const parsed = type.input.safeParse(parse(input));
  if (!parsed.success) return null;
  const { id, owner, createdAt, startedAt, usage, status, marks } = record;
  const output = record.output === null ? null : type.output.safeParse(parse(record.output));
  const task: EndedTask = {
    ...{ id, owner, createdAt, startedAt, usage, status, turnOf: marks[TURN_OF] ?? null },
    endedAt: record.endedAt ?? createdAt,
    output: output?.success ? output.data : null,
  };
  return { sessionId, change: type.change?.(parsed.data, task) ?? null };
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
