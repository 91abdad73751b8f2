/**
 * Many SSE readers in one process, as cheap as Node allows: bare sockets that share one buffer, and a search for a mark
 * in the bytes. Asked to connect, it answers when every reader has had its first event; asked to expect a mark, it
 * answers with the time at which the last reader had it.
 */
import { connect, type Socket } from 'node:net';

export type ClientRequest =
  /** Connects `readers` to the paths, in turn. */
  | { connect: { port: number; paths: string[]; readers: number } }
  /** Each reader should get these characters within `ms`. The first answer says that it is listening. */
  | { expect: string; ms: number }
  | { disconnect: true };

const FIRST_MARK = 'event: started';
/** Connections being made at once. */
const OPENING = 200;
const CONNECT_MS = 60_000;

let sockets: Socket[] = [];
let mark: Buffer | null = null;
let markNumber = 0;
let missing = 0;
let found = () => {};

/** Resolves with the time (monotonic, ns, the same in every process) at which nobody missed the mark any more. */
function everyReaderGets(text: string, readers: number, ms: number): Promise<string> {
  mark = Buffer.from(text);
  markNumber++;
  missing = readers;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${missing} of ${readers} readers miss ${text}`)), ms);
    found = () => {
      clearTimeout(timer);
      mark = null;
      resolve(String(process.hrtime.bigint()));
    };
  });
}

const shared = Buffer.alloc(64 * 1024);

function open(port: number, path: string): Promise<void> {
  let seen = 0;
  return new Promise((resolve) => {
    const socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: shared,
        callback(length) {
          if (mark === null || seen === markNumber || !shared.subarray(0, length).includes(mark)) return true;
          seen = markNumber;
          if (markNumber === 1) resolve();
          if (--missing === 0) found();
          return true;
        },
      },
    });
    socket.on('error', (error) => {
      throw error;
    });
    socket.on('connect', () => socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`));
    sockets.push(socket);
  });
}

async function connectAll({ port, paths, readers }: { port: number; paths: string[]; readers: number }) {
  markNumber = 0;
  const all = everyReaderGets(FIRST_MARK, readers, CONNECT_MS);
  let next = 0;
  async function openInTurn() {
    while (next < readers) await open(port, paths[next++ % paths.length] ?? '/');
  }
  await Promise.all([all, ...Array.from({ length: OPENING }, openInTurn)]);
}

process.on('message', async (request: ClientRequest) => {
  if ('connect' in request) {
    await connectAll(request.connect);
    process.send?.('connected');
  } else if ('expect' in request) {
    const all = everyReaderGets(request.expect, sockets.length, request.ms);
    process.send?.('listening');
    process.send?.(await all);
  } else {
    for (const socket of sockets) socket.resetAndDestroy();
    sockets = [];
    process.send?.('disconnected');
  }
});
process.send?.('ready');
for (const event of ['disconnect', 'SIGTERM']) process.on(event, () => process.exit());
