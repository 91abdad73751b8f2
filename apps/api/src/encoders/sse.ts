/** SSE as one reader sees it: the headers, its frames on the socket, the heartbeat, and how it is asked to come back. */
import type { ServerResponse } from 'node:http';
import type { Frame } from '@beanline/shared/event.ts';
import type { ApiContext } from '../http/context.ts';
import { reply } from '../http/reply.ts';
import type { HttpVariables } from '../http/variables.ts';

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

const bytesOf = (frames: readonly Frame[]) => frames.map((frame) => frame.bytes);
const CRLF = Buffer.from('\r\n');

/** The frames as one chunk of HTTP/1.1: joined and framed once for all readers that are at the same place. */
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

/**
 * Begins the stream of one reader and keeps it alive. A reader that has not taken what was written is late: the caller
 * writes nothing more until `goOn` is called, and after READER_TIMEOUT_MS the reader is cut.
 */
export function openReader(
  outgoing: ServerResponse,
  headers: Record<string, string>,
  { READER_TIMEOUT_MS, HEARTBEAT_MS }: Pick<HttpVariables, 'READER_TIMEOUT_MS' | 'HEARTBEAT_MS'>,
  goOn: () => void,
) {
  outgoing.writeHead(200, headers);
  outgoing.write('retry: 1000\n\n');
  let late: NodeJS.Timeout | undefined;
  const heartbeat = setInterval(() => {
    if (late === undefined) outgoing.write(': keep-alive\n\n');
  }, HEARTBEAT_MS);

  function taken() {
    clearTimeout(late);
    late = undefined;
    goOn();
  }
  return {
    isLate: () => late !== undefined,
    write(frames: readonly Frame[]): void {
      if (put(outgoing, frames)) return;
      late = setTimeout(() => outgoing.destroy(), READER_TIMEOUT_MS);
      (outgoing.socket ?? outgoing).once('drain', taken);
    },
    /** Ends the heartbeat. */
    stop(): void {
      clearInterval(heartbeat);
      clearTimeout(late);
    },
  };
}
