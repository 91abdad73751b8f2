/** SSE as one reader sees it: the headers, its frames on the socket, the heartbeat, and how it is asked to come back. */
import type { ServerResponse } from 'node:http';
import type { Frame } from '@beanline/shared/event.ts';
import type { ApiContext } from '../http/context.ts';
import { type ByteBudget, COUNTED_BYTES, type Held, SLICE_BYTES, SOCKET_BYTES } from '../http/memory/byte-budget.ts';
import { reply } from '../http/reply.ts';
import type { Turns } from '../http/turns/turns.ts';

export const STREAM_HEADERS = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-cache, no-transform',
  'X-Accel-Buffering': 'no',
};

/** Asks a reader to reconnect in 1–5 s, at random, so that they do not all come at once. */
export const comeBack = () => `retry: ${1_000 + Math.floor(Math.random() * 4_000)}\n\n`;

/** An EventSource gives up for good at any status but 200, so what passes must not be answered 503: it is asked to come back. */
export const isEventSource = (c: ApiContext) => /\btext\/event-stream\b/i.test(c.env.incoming.headers.accept ?? '');

export const askToComeBack = (c: ApiContext) => reply(c, 200, comeBack(), STREAM_HEADERS);

const CRLF = Buffer.from('\r\n');

/**
 * The frames as chunks of HTTP/1.1, made once for all readers that are at the same place: small ones joined, a large one as it
 * is, so that its bytes are shared with readers elsewhere too.
 */
const chunks = new WeakMap<readonly Frame[], Buffer[]>();
function chunksOf(frames: readonly Frame[]): Buffer[] {
  const known = chunks.get(frames);
  if (known) return known;
  const parts: Buffer[] = [];
  let small: Buffer[] = [];
  const join = () => {
    const length = small.reduce((sum, { byteLength }) => sum + byteLength, 0);
    if (length > 0) parts.push(Buffer.concat([headOf(length), ...small, CRLF]));
    small = [];
  };
  for (const { bytes } of frames) {
    if (bytes.length <= SLICE_BYTES) small.push(bytes);
    else {
      join();
      parts.push(headOf(bytes.length), bytes, CRLF);
    }
  }
  join();
  chunks.set(frames, parts);
  return parts;
}

const headOf = (length: number) => Buffer.from(`${length.toString(16)}\r\n`);

/**
 * Where frames are written: straight to the socket when the response has it. Node frames a chunk anew for each response, in
 * four writes, a fifth of what it costs to reach a reader.
 */
function writerOf(outgoing: ServerResponse, frames: readonly Frame[]) {
  const { socket } = outgoing;
  if (socket && outgoing.chunkedEncoding) return { to: socket, parts: chunksOf(frames) };
  const parts = frames.map(({ bytes }) => bytes);
  const isSmall = parts.reduce((sum, { length }) => sum + length, 0) <= SLICE_BYTES;
  return { to: outgoing, parts: isSmall ? [Buffer.concat(parts)] : parts };
}

const isBulk = (frames: readonly Frame[]) => frames.reduce((sum, { bytes }) => sum + bytes.length, 0) > COUNTED_BYTES;

type Reader = { heartbeatMs: number; owner: string; answers: ByteBudget; turns: Turns };

/**
 * Begins the stream of one reader and keeps it alive. A reader that has not taken what was written is late: the caller
 * writes nothing more until `goOn` is called. What it holds until then is counted as its owner's. Bulk is written in turns
 * with that of others, and what the system takes of it counts until the reader has caught up.
 */
export function openReader(
  outgoing: ServerResponse,
  headers: Record<string, string>,
  { heartbeatMs, owner, answers, turns }: Reader,
  goOn: () => void,
) {
  outgoing.writeHead(200, headers);
  outgoing.write('retry: 1000\n\n');
  let held: (() => void)[] | undefined;
  let taken: Held | undefined;
  let stopped = false;
  const heartbeat = setInterval(() => {
    if (!held) outgoing.write(': keep-alive\n\n');
  }, heartbeatMs);

  function release() {
    for (const giveBack of held ?? []) giveBack();
    held = undefined;
  }

  function giveBack() {
    taken?.release();
    taken = undefined;
  }

  return {
    isLate: () => held !== undefined,
    /** Bytes for which there is no room, should this reader not take them; 0 when there is. Small frames always have it. */
    lacking(frames: readonly Frame[]): number {
      let sum = 0;
      for (const { bytes } of frames) {
        if (bytes.length > SLICE_BYTES && !answers.isShared(bytes)) sum += bytes.length;
      }
      const more = sum + (isBulk(frames) && !taken ? SOCKET_BYTES : 0);
      if (more === 0 || answers.passes(owner, more, taken?.bytes()) === null) return 0;
      // Two that wait must not wait for what the other one holds.
      giveBack();
      return sum + SOCKET_BYTES;
    },
    /** `counted`: what the system takes of it is counted elsewhere. */
    write(frames: readonly Frame[], counted: boolean): void {
      const { to, parts } = writerOf(outgoing, frames);
      const bulk = isBulk(frames);
      let part = 0;
      let at = 0;
      const inTurn = () => turns(owner, write);
      const hold = () => {
        held ??= parts
          .slice(part)
          .filter((rest) => rest !== CRLF)
          .map((rest) => answers.share(owner, rest, rest.length));
      };
      function write() {
        if (stopped) return;
        for (; part < parts.length; part++, at = 0) {
          const bytes = parts[part] as Buffer;
          while (at < bytes.length) {
            const slice = at === 0 && bytes.length <= SLICE_BYTES ? bytes : bytes.subarray(at, at + SLICE_BYTES);
            at += SLICE_BYTES;
            const isTaken = to.write(slice);
            if (isTaken && (!bulk || slice.length < COUNTED_BYTES)) continue;
            hold();
            if (isTaken) return inTurn();
            return void to.once('drain', bulk ? inTurn : write);
          }
        }
        if (!held) return;
        release();
        goOn();
      }
      if (bulk && !counted) taken ??= answers.hold(owner, SOCKET_BYTES);
      write();
    },
    /** There is nothing more for now. */
    caughtUp: giveBack,
    /** Ends the heartbeat, and gives back what it holds. */
    stop(): void {
      stopped = true;
      clearInterval(heartbeat);
      release();
      giveBack();
    },
  };
}
