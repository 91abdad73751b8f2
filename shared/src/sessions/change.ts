/** What an ended task changes in its session, derived from its record and input. A type or an input that is not known: nothing. */
import type { Catalog, EndedTask } from '../job-type.ts';
import type { SessionChange } from '../session.ts';
import { isEnd, type TaskRecord } from '../task.ts';

/** The session of a task, and its change; null when it has none, `change` null when it leaves its session as it is. */
export function sessionChangeOf(
  catalog: Catalog,
  { record, input }: { record: TaskRecord; input: string | null },
): { sessionId: string; change: SessionChange | null } | null {
  const type = catalog.get(record.type);
  if (!type?.sessionOf || input === null || !isEnd(record.status)) return null;
  const raw = parse(input);
  // Most tasks have none: their inputs, which may be megabytes, need not be checked.
  if (typeof raw !== 'object' || raw === null || type.sessionOf(raw) === undefined) return null;
  const parsed = type.input.safeParse(raw);
  const sessionId = parsed.success ? type.sessionOf(parsed.data) : undefined;
  if (!parsed.success || sessionId === undefined) return null;
  const { id, owner, createdAt, startedAt, usage, status, turnOf } = record;
  const output = record.output === null ? null : type.output.safeParse(parse(record.output));
  const task: EndedTask = {
    ...{ id, owner, createdAt, startedAt, usage, status, turnOf },
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
