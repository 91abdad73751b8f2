/**
 * The writing end of one attempt's events. Self-clocked: at most one flush is in flight, and what a handler emits
 * meanwhile joins the next one, adjacent pieces of text as ONE event. A slow Redis makes larger events, not a longer queue.
 */
import type { Emit } from '../../context.ts';
import { AttemptStop } from '../../context.ts';
import { TaskError } from '../../errors.ts';
import { type EventData, isHandlerEvent } from '../../event-data.ts';
import type { AttemptRef, NewEntry } from '../../record/task-verdicts.ts';
import type { Tasks } from '../../record/tasks.ts';

/** How many unread messages are to steer the task, as the last script said that the attempt called. */
export type Unread = { steers: number };

/** Pending bytes above which `emit` waits, so that the handler stops reading from its provider. */
const PENDING_BYTES = 64 * 1024;
const RETRY_MS = 200;

type Text = { content: string; tool?: string; index?: number };
/** Text grows until it is flushed; other events are JSON text from the start, for their handler may go on with the object. */
type Pending = { type: string; data: string | Text };

const sameStream = (a: Text, b: Text) => a.tool === b.tool && a.index === b.index;

type Put = (type: string, data: string | Text, bytes: number) => Promise<void>;

/** What a handler emits with: counts its output, and hands events on. */
function createEmit(maxOutputBytes: number, put: Put) {
  let outputBytes = 0;
  let all = '';

  function count(bytes: number) {
    outputBytes += bytes;
    if (outputBytes <= maxOutputBytes) return;
    throw new TaskError('output_too_large', `The output is larger than ${maxOutputBytes} bytes.`);
  }

  async function event(type: string, data: Record<string, unknown>) {
    if (!isHandlerEvent(type)) throw new TypeError(`A handler emits no event ${type}.`);
    const json = JSON.stringify(data);
    const bytes = Buffer.byteLength(json);
    count(bytes);
    await put(type, json, bytes);
  }

  async function text(content: string, extra: { tool?: string; index?: number } = {}) {
    if (content === '') return;
    const bytes = Buffer.byteLength(content);
    count(bytes);
    if (extra.tool === undefined) all += content;
    await put('text', { content, ...extra }, bytes);
  }

  return {
    emit: Object.assign(event, { text }) as Emit,
    /** All text emitted so far, that of tools apart. */
    text: () => all,
  };
}

export function createAttemptLog(options: {
  append: Tasks['append'];
  ref: AttemptRef;
  unread: Unread;
  /** The id of this attempt's `started` event. */
  lastId: string;
  maxOutputBytes: number;
  /** Called when the attempt must stop: superseded, behind, or cancelled. */
  stop(reason: Error): void;
}) {
  const { append, ref, unread, stop } = options;
  let after = options.lastId;
  let seq = Number(after.split('-')[1]);
  let pending: Pending[] = [];
  let pendingBytes = 0;
  let closed = false;
  let flight: Promise<void> | null = null;
  /** Entries of a flush that Redis refused to take for now; they keep their ids. */
  let refused: NewEntry[] = [];

  function take(): NewEntry[] {
    const entries = pending.map(({ type, data }) => ({
      id: `${ref.attempt}-${++seq}`,
      type,
      data: typeof data === 'string' ? data : JSON.stringify(data),
    }));
    pending = [];
    pendingBytes = 0;
    return entries;
  }

  async function flush() {
    try {
      while ((pending.length > 0 || refused.length > 0) && !closed) {
        const entries = refused.length > 0 ? refused : take();
        refused = entries;
        try {
          const reply = await append(ref, after, entries);
          if (reply.verdict !== 'appended') {
            closed = true;
            stop(
              reply.verdict === 'superseded'
                ? new AttemptStop('superseded')
                : new TaskError('worker_lost', 'Redis lost part of this attempt in a failover.'),
            );
            return;
          }
          refused = [];
          after = entries.at(-1)?.id ?? after;
          unread.steers = reply.steers;
          if (reply.cancelled) stop(new AttemptStop('cancelled'));
        } catch {
          // A reply such as LOADING: Redis is coming back. The deadline and the lock watchdog bound the wait.
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        }
      }
    } finally {
      // In the same turn: an event that is put right after must start a flush of its own.
      flight = null;
    }
  }

  function put(type: string, data: string | Text, bytes: number): Promise<void> {
    if (closed) return Promise.resolve();
    const last = pending.at(-1)?.data;
    if (typeof data === 'object' && typeof last === 'object' && sameStream(last, data)) last.content += data.content;
    else pending.push({ type, data });
    pendingBytes += bytes;
    flight ??= flush();
    return pendingBytes > PENDING_BYTES ? flight : Promise.resolve();
  }

  return {
    ...createEmit(options.maxOutputBytes, put),
    /** An event of the attempt itself, which no handler emits and no limit of output counts. */
    tell(type: 'steered', data: EventData['steered']): Promise<void> {
      const json = JSON.stringify(data);
      return put(type, json, Buffer.byteLength(json));
    },
    /** Stops taking events, waits for the flush in flight, and gives what the ending script must still write. */
    async close(): Promise<{ after: string; entries: NewEntry[] }> {
      closed = true;
      await flight;
      return { after, entries: [...refused, ...take()] };
    },
  };
}

export type AttemptLog = ReturnType<typeof createAttemptLog>;
