/**
 * SSE: one reader's stream, written straight to its socket, bounded in memory and time. A reader is a state and a few
 * callbacks, not a loop that awaits: of ten thousand nearly all wait, and an event must not wake so many promises.
 */
import type { ServerResponse } from 'node:http';
import type { Frame } from '@beanline/shared/event.ts';
import type { Pulled } from '@beanline/shared/live/hub.ts';
import { readArchivedEvents } from '@beanline/shared/tasks/read-archived-events.ts';
import type { Api, ApiContext } from '../http/context.ts';
import { reply } from '../http/reply.ts';
import type { StreamPlace } from '../http/streams.ts';

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

const bytesOf = (frames: readonly Frame[]) => frames.map((frame) => frame.bytes);
const CRLF = Buffer.from('\r\n');

/** What readers at the same place are given, as one chunk of HTTP/1.1: joined and framed once for all of them. */
const chunks = new WeakMap<readonly Frame[], Buffer>();
function chunkOf(frames: readonly Frame[]): Buffer {
  let chunk = chunks.get(frames);
  if (!chunk) {
    const bytes = bytesOf(frames);
    const length = bytes.reduce((sum, part) => sum + part.length, 0);
    chunk = Buffer.concat([Buffer.from(`${length.toString(16)}\r\n`), ...bytes, CRLF]);
    chunks.set(frames, chunk);
  }
  return chunk;
}

/**
 * Writes frames; false when the reader has to be waited for. Straight to the socket when the response has it: Node frames
 * a chunk anew for each response, in four writes, a fifth of what it costs to reach a reader.
 */
function put(outgoing: ServerResponse, frames: readonly Frame[]): boolean {
  const { socket } = outgoing;
  return socket && outgoing.chunkedEncoding
    ? socket.write(chunkOf(frames))
    : outgoing.write(Buffer.concat(bytesOf(frames)));
}

/** One listener for all streams: a signal goes through all it has for each that comes or goes, 1.2 s for 10,000. */
const leavers = new WeakMap<AbortSignal, Set<() => void>>();
function leaversOf(signal: AbortSignal): Set<() => void> {
  const known = leavers.get(signal);
  if (known) return known;
  const leaving = new Set<() => void>();
  leavers.set(signal, leaving);
  signal.addEventListener('abort', () => {
    for (const leave of leaving) leave();
  });
  return leaving;
}

type Stream = { outgoing: ServerResponse; place: StreamPlace; headers: Record<string, string> };
/** Where frames come from: the live hub of the task, or the store. */
type Channel = Pick<Awaited<ReturnType<Api['deps']['live']['follow']>>, 'pull' | 'unwait' | 'close'>;

/** All that the store has after a cursor, at once; nothing more comes. */
const archiveOf = (deps: Api['deps'], owner: string, id: string): Channel => ({
  pull: async (cursor) => {
    const frames = await readArchivedEvents(deps, owner, id, cursor);
    return frames?.length ? frames : null;
  },
  unwait: () => undefined,
  close: () => undefined,
});

/** Sends the events of a task as the answer to this request, and gives back the place at the end. Does not wait for it. */
export function streamEvents(
  api: Api,
  c: ApiContext,
  place: StreamPlace,
  task: { id: string; archived?: boolean },
  after: string,
  more: Record<string, string> = {},
): void {
  const { outgoing } = c.env;
  const headers = { 'X-Request-Id': c.get('requestId'), ...c.get('headers'), ...STREAM_HEADERS, ...more };
  // A reader that left before this has closed already: nothing would ever tell us again.
  if (outgoing.destroyed) place.close();
  // Without `c`: a stream may be open for long, and holds no more than it needs.
  else {
    const followed = { id: task.id, archived: task.archived ?? false, owner: c.get('owner') };
    void stream(api, { outgoing, place, headers }, followed, after).finally(place.close);
  }
}

/**
 * Streams a task's events after a cursor; resolves when the stream is over. It ends after the terminal event, when the
 * reader leaves or its key is gone, or at an event boundary when the API drains: spread over the drain time, and after a
 * `retry:` that spreads the reconnects too.
 */
function stream(
  { deps, config, drain }: Api,
  { outgoing, place: { revoked }, headers }: Stream,
  { id, owner, archived }: { id: string; owner: string; archived: boolean },
  after: string,
): Promise<void> {
  outgoing.writeHead(200, headers);
  outgoing.write('retry: 1000\n\n');

  const ended = Promise.withResolvers<void>();
  let channel: Channel | undefined;
  let inStore = archived;
  let cursor = after;
  let over = false;
  let done = false;
  let leaving = false;
  /** Runs while the reader has not taken what was written. */
  let late: NodeJS.Timeout | undefined;
  let leaveTimer: NodeJS.Timeout | undefined;

  function close() {
    if (over) return;
    over = true;
    clearInterval(heartbeat);
    clearTimeout(late);
    clearTimeout(leaveTimer);
    leaversOf(drain).delete(leave);
    if (revoked) leaversOf(revoked).delete(leaveNow);
    channel?.unwait(pump);
    channel?.close();
    ended.resolve();
  }
  function broke(error: unknown) {
    if (over) return;
    // Redis went away mid-stream: the reader comes back with its last id.
    deps.log.debug({ error, task_id: id }, 'a stream broke');
    outgoing.destroy();
    close();
  }

  /** The task has left Redis, so the rest is in the store; or it is gone with a failover, and the reader learns so when it comes back. */
  function vanish() {
    if (inStore) {
      close();
      outgoing.end(comeBack());
      return;
    }
    channel?.close();
    inStore = true;
    channel = archiveOf(deps, owner, id);
    pump();
  }

  /** Writes what there is, until the reader or the task has to be waited for: then it is called again. */
  function pump() {
    while (!over && channel && late === undefined) {
      if (done || leaving) {
        close();
        outgoing.end(done ? undefined : comeBack());
        return;
      }
      const frames = channel.pull(cursor, pump);
      if (frames instanceof Promise) return void frames.then(took, broke);
      if (frames === null) return vanish();
      if (frames.length === 0) return;
      write(frames);
    }
  }
  function took(frames: Pulled) {
    if (over) return;
    if (frames === null) return vanish();
    if (frames.length > 0) write(frames);
    // None: it waits to be woken, unless it is to leave.
    if (frames.length > 0 || leaving) pump();
  }
  function write(frames: Frame[]) {
    const last = frames.at(-1);
    if (last) cursor = last.id;
    done = last?.type === 'done';
    if (put(outgoing, frames)) return;
    late = setTimeout(() => outgoing.destroy(), config.READER_TIMEOUT_MS);
    (outgoing.socket ?? outgoing).once('drain', () => {
      clearTimeout(late);
      late = undefined;
      pump();
    });
  }

  function leaveNow() {
    leaving = true;
    if (channel) return pump();
    // The subscription is still to come, and may be for long: the reader need not wait for it.
    close();
    outgoing.end(comeBack());
  }
  function leave() {
    leaveTimer = setTimeout(leaveNow, Math.random() * config.DRAIN_MS * 0.9);
  }
  const heartbeat = setInterval(() => {
    if (late === undefined) outgoing.write(': keep-alive\n\n');
  }, config.HEARTBEAT_MS);
  outgoing.on('close', close);
  outgoing.on('error', close);
  // Who comes while the API drains goes on at another one at once.
  if (drain.aborted || revoked?.aborted) leaveNow();
  else leaversOf(drain).add(leave);
  if (revoked) leaversOf(revoked).add(leaveNow);

  // What has ended for good is not followed.
  const opening = archived ? Promise.resolve(archiveOf(deps, owner, id)) : deps.live.follow(id);
  opening.then((opened: Channel) => {
    channel = opened;
    if (over) opened.close();
    else pump();
  }, broke);
  return ended.promise;
}
