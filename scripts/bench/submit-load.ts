/** A load of POSTs that costs its own process little: keep-alive sockets, one request each at a time, no HTTP client. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Requests under way at once. */
export const IN_FLIGHT = 100;

const BODY = JSON.stringify({ messages: [{ role: 'user', content: 'What is a queue, and why would one want one?' }] });
const head = (port: number) =>
  [
    'POST /api/chat HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(BODY)}`,
    '',
    BODY,
  ].join('\r\n');

/** True when `text` is one whole response. */
function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(text);
  return length ? text.length >= end + 4 + Number(length[1]) : text.endsWith('\r\n0\r\n\r\n');
}

/** Posts chats for `forMs` and gives how many were answered 202 per second; any other answer throws. */
export async function postLoad(port: number, forMs: number): Promise<number> {
  const request = Buffer.from(head(port), 'latin1');
  const sockets = await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      const socket = connect(port, '127.0.0.1').setNoDelay().setEncoding('latin1');
      await once(socket, 'connect');
      return socket;
    }),
  );
  const startedAt = performance.now();
  const end = startedAt + forMs;
  let done = 0;
  const post = (socket: Socket) =>
    new Promise<void>((resolve, reject) => {
      let text = '';
      socket.on('error', reject).on('close', () => reject(new Error('the server closed a connection')));
      socket.on('data', (part: string) => {
        text += part;
        if (!isWhole(text)) return;
        if (!text.startsWith('HTTP/1.1 202')) return reject(new Error(`not accepted: ${text}`));
        text = '';
        done++;
        if (performance.now() < end) socket.write(request);
        else resolve();
      });
      socket.write(request);
    });
  try {
    await Promise.all(sockets.map(post));
    return (1_000 * done) / (performance.now() - startedAt);
  } finally {
    for (const socket of sockets) socket.removeAllListeners('close').destroy();
  }
}
