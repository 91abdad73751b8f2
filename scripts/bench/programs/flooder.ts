/**
 * The clients of one owner who ask for too much, in a process of their own: what they cost is not what is measured. They
 * take no refusal for an answer: whoever is refused, or cut off, asks again at once.
 */
import { connect, type Socket } from 'node:net';
import { setPriority } from 'node:os';

export type FloodRequest =
  /** The clients ask for these in turn, until they are told to stop. `reads`: they read the answer, and ask again. */
  { flood: { port: number; requests: string[]; clients: number; reads: boolean } } | { stop: true };

/** What came of a flood: how many answers of each status. */
export type Flooded = Record<string, number>;

/** The least: these clients would be other machines, and take no processor of the API's. */
setPriority(19);

let sockets = new Set<Socket>();
let statuses: Flooded = {};
let flooding = false;

/** The length of a whole answer at the beginning of what came; 0 when there is none yet. */
function wholeLength(head: string, length: number): number {
  const end = head.indexOf('\r\n\r\n');
  if (end < 0) return 0;
  const body = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
  return length >= end + 4 + body ? end + 4 + body : 0;
}

function client({ port, requests, reads }: { port: number; requests: Buffer[]; reads: boolean }, first: number): void {
  const socket = connect(port, '127.0.0.1').setNoDelay();
  let next = first;
  let head = '';
  let length = 0;
  const ask = () => socket.write(requests[next++ % requests.length] ?? '');
  sockets.add(socket);
  socket.on('connect', ask);
  socket.on('error', () => undefined);
  socket.on('close', () => {
    sockets.delete(socket);
    if (flooding) client({ port, requests, reads }, next);
  });
  if (!reads) return void socket.pause();
  socket.on('data', (chunk) => {
    if (head.length < 4_096) head += chunk.toString('latin1');
    length += chunk.length;
    if (wholeLength(head, length) === 0) return;
    const status = head.slice(9, 12);
    statuses[status] = (statuses[status] ?? 0) + 1;
    head = '';
    length = 0;
    // A server that closes is asked anew on another connection.
    if (flooding && !socket.writableEnded) ask();
  });
}

process.on('message', (message: FloodRequest) => {
  if ('stop' in message) {
    flooding = false;
    for (const socket of sockets) socket.resetAndDestroy();
    process.send?.(statuses);
    return;
  }
  const { requests, clients, ...flood } = message.flood;
  const bytes = requests.map((request) => Buffer.from(request, 'utf8'));
  sockets = new Set();
  statuses = {};
  flooding = true;
  for (let i = 0; i < clients; i++) client({ ...flood, requests: bytes }, i);
  process.send?.('flooding');
});
process.send?.('ready');
for (const event of ['disconnect', 'SIGTERM']) process.on(event, () => process.exit());
