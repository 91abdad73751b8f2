/** HTTP below fetch: sockets that send what a test says and read when it says, and what every error answer looks like. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { promisify } from 'node:util';

import { HANG_MS } from './until.ts';

const run = promisify(execFile);
const CLOCK_STEP_MS = 50;

export type RawConnection = ReturnType<typeof rawConnection>;

/** One connection. It never closes its own side before the test does. */
export function rawConnection(port: number) {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  let text = '';
  let over = false;
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const look of [...waiting]) look();
  };
  const end = Promise.withResolvers<string>();
  const finish = () => {
    over = true;
    end.resolve(text);
    wake();
  };
  socket.setEncoding('utf8');
  socket.on('end', finish);
  socket.on('close', finish);
  socket.on('error', finish);
  const read = () => {
    socket.on('data', (chunk) => {
      text += chunk;
      wake();
    });
  };

  return {
    socket,
    send: (bytes: string | Buffer) => socket.write(bytes),
    /** Starts reading; until then nothing is taken from the socket but its first buffer. */
    read,
    /** Everything received so far. */
    text: () => text,
    /** All that was received, when the other side has ended or cut the connection. */
    ended: end.promise,
    /** Resolves when what was received matches; rejects when the connection ends without it. */
    has(pattern: RegExp): Promise<RegExpExecArray> {
      const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
      const timer = setTimeout(() => reject(new Error(`${pattern} did not come; there is: ${text}`)), HANG_MS);
      const look = () => {
        const match = pattern.exec(text);
        if (match) resolve(match);
        else if (over) reject(new Error(`the connection ended without ${pattern}: ${text}`));
        else return;
        clearTimeout(timer);
        waiting.delete(look);
      };
      waiting.add(look);
      look();
      return promise;
    },
    close: () => socket.destroy(),
  };
}

/** A connection that asks for a path and reads. To HTTP 1.0 a stream comes as it is, not in chunks. */
export function rawGet(
  port: number,
  path: string,
  headers: Record<string, string> = {},
  version: '1.0' | '1.1' = '1.1',
): RawConnection {
  const connection = rawConnection(port);
  connection.read();
  const lines = Object.entries({ Host: '127.0.0.1', ...headers }).map(([name, value]) => `${name}: ${value}`);
  connection.send([`GET ${path} HTTP/${version}`, ...lines, '', ''].join('\r\n'));
  return connection;
}

/** Resident memory of a process, in MB. */
export async function memoryMb(pid: number | undefined): Promise<number> {
  const { stdout } = await run('ps', ['-o', 'rss=', '-p', String(pid)]);
  return Number(stdout) / 1024;
}

/** CPU time a process has spent, in ms (Linux): what a request cost it, however busy the machine is. */
export async function cpuMs(pid: number | undefined): Promise<number> {
  const afterName = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  const ticks = Number(afterName[11]) + Number(afterName[12]);
  return ticks * 10;
}

/** Asks again and again until the answer satisfies; gives it. For what no event tells of. */
export async function eventually<T>(ask: () => Promise<T>, satisfies: (answer: T) => boolean): Promise<T> {
  const deadline = performance.now() + HANG_MS;
  for (;;) {
    const answer = await ask();
    if (satisfies(answer)) return answer;
    if (performance.now() > deadline) throw new Error(`still ${JSON.stringify(answer)} after ${HANG_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/**
 * Resolves when a time that an API gave (ms) is so far back that whatever is made next is later: within one millisecond ids
 * sort by chance, and an API corrects its clock by what Redis says, a little back too.
 */
export const longPast = (time: number): Promise<unknown> =>
  eventually(
    async () => Date.now(),
    (now) => now > time + CLOCK_STEP_MS,
  );

/** The answer to any request, its body read as JSON where it is. */
export async function ask(url: string, init: RequestInit = {}) {
  const response = await fetch(url, init);
  const text = await response.text();
  const isJson = text !== '' && !response.headers.get('content-type')?.startsWith('text/');
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever an answer holds
  return { status: response.status, headers: response.headers, text, json: (isJson ? JSON.parse(text) : null) as any };
}

/** How many tasks an API follows for its readers now. */
export const followedTasks = async (url: string): Promise<number> => (await ask(`${url}/readyz`)).json.followed_tasks;

/** What every error answer is: problem+json of the table's status, code and title, under the request's id. */
export function assertProblem(
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever an answer holds
  answer: { status: number; headers: Headers; json: any },
  status: number,
  code: string,
): void {
  const { json, headers } = answer;
  assert.equal(answer.status, status, JSON.stringify(json));
  assert.equal(headers.get('content-type'), 'application/problem+json');
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.equal(json.code, code);
  assert.equal(json.status, status);
  assert.equal(json.type, `https://beanline.dev/errors/${code}`);
  assert.ok(json.title.length > 0 && json.detail.length > 0);
  assert.ok(json.request_id.length > 0);
  assert.equal(json.request_id, headers.get('x-request-id'));
  const known = ['type', 'title', 'status', 'code', 'detail', 'errors', 'request_id'];
  assert.deepEqual(
    Object.keys(json).filter((name) => !known.includes(name)),
    [],
  );
}

/** The paths a 400 names. */
export function badPaths(answer: { json: { errors?: { path: string; message: string }[] } }): string[] {
  return (answer.json.errors ?? []).map(({ path }) => path);
}
