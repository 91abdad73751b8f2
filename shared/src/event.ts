/**
 * Events: what a task says, one fact each. Ids are `<attempt>-<seq>`; every entry names the id before it (`prev`),
 * so a reader can tell a gap from the next event.
 */
import { z } from 'zod';

/** An event as stored in the log and carried live. `data` is JSON text. `at` in ms, Redis TIME. */
export type LogEntry = { id: string; prev: string; type: string; at: number; data: string };

/** An event as an SSE client receives it. */
export type Frame = { id: string; prev: string; type: string; bytes: Buffer };

/** The cursor before the first event. */
export const START = '0-0';

/** The id of an event, also as the cursor of a client: `<attempt>-<seq>`, each at most 15 digits. */
export const EventId = z
  .string()
  .regex(/^(0|[1-9]\d{0,14})-(0|[1-9]\d{0,14})$/, 'must be an event id such as 1-7')
  .meta({ id: 'EventId', description: '`<attempt>-<seq>`', examples: ['1-7'] });

/** Negative when `a` comes before `b`, 0 when they are the same event. */
export function compareIds(a: string, b: string): number {
  const [attemptA = 0, seqA = 0] = a.split('-').map(Number);
  const [attemptB = 0, seqB = 0] = b.split('-').map(Number);
  return attemptA - attemptB || seqA - seqB;
}

export function attemptOf(id: string): number {
  return Number.parseInt(id, 10);
}

/**
 * Stands for what a reader and the log do not share. `from` is the last id the reader has, `to` the id from which it goes on.
 * When `to` is the later one, events between them were cut. When it is the earlier one, a failover lost what the reader has
 * seen after it: that is taken back, and may come again, because a runner sends what was under way to the new master too.
 */
export function gapFrame(taskId: string, from: string, to: string): Frame {
  const data = JSON.stringify({ from, to, snapshot_url: `/tasks/${taskId}` });
  return encodeFrame(taskId, { id: to, prev: from, type: 'gap', at: Date.now(), data });
}

/** Line ends of Unicode, which JSON may hold as they are. Some readers split lines at them. */
const LINE_ENDS = /[\u0085\u2028\u2029]/g;
const escaped = (end: string) => `\\u${end.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** The bytes of one SSE frame: always one `data:` line, by any reader's count. */
export function encodeFrame(taskId: string, entry: LogEntry): Frame {
  const { id, prev, type, at } = entry;
  const data = entry.data.replace(LINE_ENDS, escaped);
  const envelope = JSON.stringify({
    type,
    task_id: taskId,
    attempt: attemptOf(id),
    timestamp: new Date(at).toISOString(),
  });
  const bytes = Buffer.from(`id: ${id}\nevent: ${type}\ndata: ${envelope.slice(0, -1)},"data":${data}}\n\n`);
  return { id, prev, type, bytes };
}
