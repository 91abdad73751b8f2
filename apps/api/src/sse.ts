/** SSE: one reader's stream, written straight to its socket, bounded in memory and time. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { followTask } from '@beanline/shared/follow-task.ts';
import type { Api, ApiContext } from './context.ts';
import { reply } from './reply.ts';
import type { StreamPlace } from './streams.ts';

export const STREAM_HEADERS = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-cache, no-transform',
  'X-Accel-Buffering': 'no',
};

/** Asks a reader to reconnect in 1–5 s, at random, so that they do not all come at once. */
const comeBack = () => `retry: ${1_000 + Math.floor(Math.random() * 4_000)}\n\n`;

/** An EventSource gives up for good at any status but 200, so what passes must not be answered 503: it is asked to come back. */
export const isEventSource = (c: ApiContext) => /\btext\/event-stream\b/i.test(c.env.incoming.headers.accept ?? '');

export const askToComeBack = (c: ApiContext) => reply(c, 200, comeBack(), STREAM_HEADERS);

/** True once the socket took what was written; false when the reader did not drain in time. */
async function drained(outgoing: ServerResponse, timeoutMs: number, gone: AbortSignal): Promise<boolean> {
  const late = AbortSignal.timeout(timeoutMs);
  try {
    await once(outgoing, 'drain', { signal: AbortSignal.any([late, gone]) });
    return true;
  } catch {
    return false;
  }
}

type Stream = { outgoing: ServerResponse; place: StreamPlace; headers: Record<string, string> };

/** Sends the events of a task as the answer to this request, and gives back the place at the end. Does not wait for it. */
export function streamEvents(
  api: Api,
  c: ApiContext,
  place: StreamPlace,
  task: { id: string; lastId: string },
  after: string,
  more: Record<string, string> = {},
): void {
  const { outgoing } = c.env;
  const headers = { 'X-Request-Id': c.get('requestId'), ...c.get('headers'), ...STREAM_HEADERS, ...more };
  // A reader that left before this has closed already: nothing would ever tell us again.
  if (outgoing.destroyed) place.close();
  // Without `c`: a stream may be open for long, and holds no more than it needs.
  else void stream(api, { outgoing, place, headers }, task, after);
}

/**
 * Streams a task's events after a cursor. Ends after the terminal event, when the reader leaves, or at an event boundary
 * when the API drains: spread over the drain time, and after a `retry:` that spreads the reconnects too.
 */
async function stream(
  { deps, config, drain }: Api,
  { outgoing, place, headers }: Stream,
  task: { id: string; lastId: string },
  after: string,
): Promise<void> {
  const gone = new AbortController();
  const leaving = new AbortController();
  outgoing.on('close', () => gone.abort());
  outgoing.on('error', () => gone.abort());
  const leave = () => {
    const timer = setTimeout(() => leaving.abort(), Math.random() * config.DRAIN_MS * 0.9);
    gone.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  };
  // Who comes while the API drains goes on at another one at once.
  if (drain.aborted) leaving.abort();
  else drain.addEventListener('abort', leave, { once: true });
  const revoke = () => leaving.abort();
  place.revoked?.addEventListener('abort', revoke, { once: true });

  const heartbeat = setInterval(() => {
    if (outgoing.headersSent && !outgoing.writableNeedDrain) outgoing.write(': keep-alive\n\n');
  }, config.HEARTBEAT_MS);
  try {
    outgoing.writeHead(200, headers);
    outgoing.write('retry: 1000\n\n');
    for await (const frames of followTask(deps, task, after, AbortSignal.any([gone.signal, leaving.signal]))) {
      const [first] = frames;
      const bytes = frames.length === 1 && first ? first.bytes : Buffer.concat(frames.map((frame) => frame.bytes));
      if (!outgoing.write(bytes) && !(await drained(outgoing, config.READER_TIMEOUT_MS, gone.signal))) {
        outgoing.destroy();
        return;
      }
    }
    if (leaving.signal.aborted) outgoing.write(comeBack());
    outgoing.end();
  } catch (error) {
    // Redis went away mid-stream: the reader comes back with its last id.
    deps.log.debug({ error, task_id: task.id }, 'a stream broke');
    outgoing.destroy();
  } finally {
    clearInterval(heartbeat);
    drain.removeEventListener('abort', leave);
    place.revoked?.removeEventListener('abort', revoke);
    place.close();
  }
}
