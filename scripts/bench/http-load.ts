/** A load of requests that costs its own process little: keep-alive sockets, one request each at a time, no HTTP client. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export type Load = {
  port: number;
  /** The bytes of the next request. */
  request(): string;
  /** The status every answer must have. */
  status: number;
  /** Is told of an answer of another status, which throws without it. */
  refused?(): void;
  forMs: number;
  /** Requests under way at once. */
  inFlight: number;
};

export const getRequest = (port: number, path: string) => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`;

const CHAT = JSON.stringify({ messages: [{ role: 'user', content: 'What is a queue, and why would one want one?' }] });

/** A submit. */
export const chatRequest = (port: number) =>
  [
    'POST /api/chat HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(CHAT)}`,
    '',
    CHAT,
  ].join('\r\n');

/** True when `text` is one whole response. */
function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(text);
  return length ? text.length >= end + 4 + Number(length[1]) : text.endsWith('\r\n0\r\n\r\n');
}

/** Sends requests for `forMs` and gives how long each took, in ms; an answer of another status throws. */
async function sendAll({
  port,
  request,
  status,
  refused,
  forMs,
  inFlight,
}: Load): Promise<{ tookMs: number; each: number[] }> {
  const sockets = await Promise.all(
    Array.from({ length: inFlight }, async () => {
      const socket = connect(port, '127.0.0.1').setNoDelay().setEncoding('latin1');
      await once(socket, 'connect');
      return socket;
    }),
  );
  const startedAt = performance.now();
  const end = startedAt + forMs;
  const each: number[] = [];
  const ask = (socket: Socket) =>
    new Promise<void>((resolve, reject) => {
      let text = '';
      let sentAt = performance.now();
      socket.on('error', reject).on('close', () => reject(new Error('the server closed a connection')));
      socket.on('data', (part: string) => {
        text += part;
        if (!isWhole(text)) return;
        if (!text.startsWith(`HTTP/1.1 ${status}`)) {
          if (!refused) return reject(new Error(`not answered ${status}: ${text}`));
          refused();
        }
        text = '';
        const now = performance.now();
        each.push(now - sentAt);
        if (now >= end) return resolve();
        sentAt = now;
        socket.write(request(), 'latin1');
      });
      socket.write(request(), 'latin1');
    });
  try {
    await Promise.all(sockets.map(ask));
    return { tookMs: performance.now() - startedAt, each };
  } finally {
    for (const socket of sockets) socket.removeAllListeners('close').destroy();
  }
}

/** How many requests are answered per second. */
export async function httpLoad(load: Load): Promise<number> {
  const { tookMs, each } = await sendAll(load);
  return (1_000 * each.length) / tookMs;
}

/** How long each request takes, in ms. */
export const httpLatencies = (load: Load) => sendAll(load).then(({ each }) => each);
