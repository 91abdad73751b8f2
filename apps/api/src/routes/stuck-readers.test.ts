import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { leftRedis, SHORT_RETENTION } from '../../../../scripts/testing/archived.ts';
import { chat, followToEnd, submit } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import {
  ask,
  assertProblem,
  eventually,
  followedTasks,
  type RawConnection,
  rawConnection,
} from '../../../../scripts/testing/raw.ts';
import { startUpstream, type Upstream, type UpstreamCall } from '../../../../scripts/testing/upstream.ts';
import { SOCKET_BYTES } from '../http/memory/byte-budget.ts';

const READER_TIMEOUT_MS = 3_000;
/** More than the buffers of two sockets take. */
const OUTPUT_BYTES = 16 * 1024 * 1024;

let system: InProcess;
let upstream: Upstream;
/** Tasks with a large output. */
let tasks: { one: string; two: string };

function large(call: UpstreamCall) {
  for (let i = 0; i < OUTPUT_BYTES / 65_536; i++) call.text('x'.repeat(65_536));
  call.finish();
}

before(async () => {
  upstream = await startUpstream(large);
  system = await startInProcess({
    relays: 0,
    env: {
      ...upstream.env,
      ...SHORT_RETENTION,
      READER_TIMEOUT_MS: String(READER_TIMEOUT_MS),
      MAX_OUTPUT_BYTES: String(2 * OUTPUT_BYTES),
      // One of them, and then no page of a stream.
      MAX_OWNER_ANSWER_BYTES: String(OUTPUT_BYTES + 32 * 1024),
    },
  });
  const make = async () => {
    const id = await submit(system.url, chat('large'));
    await followToEnd(system.url, id);
    return id;
  };
  tasks = { one: await make(), two: await make() };
});
after(async () => {
  await system.stop();
  await upstream.stop();
});

const get = (path: string, headers: Record<string, string> = {}) => ask(`${system.url}${path}`, { headers });

/**
 * Asks for a path and never reads the answer. Resolves when that has begun: whoever asks meanwhile might take its place, and it
 * would be refused.
 */
async function stuckOn(path: string, port = system.apis[0]?.port ?? 0): Promise<RawConnection> {
  const connection = rawConnection(port);
  connection.send(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  await eventually(
    async () => connection.socket.readableLength,
    (length) => length > 10_000,
  );
  return connection;
}

/** Resolves when stuck readers hold so much that there is no room for another large answer. */
const untilFull = () =>
  eventually(
    () => get(`/tasks/${tasks.two}`),
    ({ status }) => status === 503,
  );

/** Resolves when there is room again; gives what was refused until then. */
async function untilFree() {
  const answers: Awaited<ReturnType<typeof get>>[] = [];
  await eventually(
    async () => answers.push(await get(`/tasks/${tasks.two}`)),
    () => answers.at(-1)?.status === 200,
  );
  return answers.slice(0, -1);
}

test('a reader that never reads a task is cut after READER_TIMEOUT_MS; until then another large answer is 503', async () => {
  const startedAt = performance.now();
  const stuck = await stuckOn(`/tasks/${tasks.one}`);
  const refused = [await untilFull(), ...(await untilFree())];
  assert.ok(performance.now() - startedAt >= READER_TIMEOUT_MS, 'not before its time');
  for (const answer of refused) {
    assertProblem(answer, 503, 'unavailable');
    assert.equal(answer.headers.get('retry-after'), '2');
  }
  stuck.read();
  const text = await stuck.ended;
  const length = Number(/content-length: (\d+)/i.exec(text)?.[1]);
  assert.ok(length > OUTPUT_BYTES && text.length < length, `${text.length} of ${length} came`);
});

test('stuck readers of one task hold it once, and each what the system took: beyond the room for that who else asks is 503, within it gets it whole; small answers go on', async () => {
  const room = 12;
  const api = await system.startApi({
    MAX_OWNER_ANSWER_BYTES: String(OUTPUT_BYTES + room * SOCKET_BYTES + SOCKET_BYTES / 2),
  });
  const whole = () => ask(`${api.url}/tasks/${tasks.one}`);
  const stuck = await Promise.all(Array.from({ length: room }, () => stuckOn(`/tasks/${tasks.one}`, api.port)));
  assertProblem(await whole(), 503, 'unavailable');
  assert.equal((await ask(`${api.url}/tasks?limit=1`)).status, 200);
  stuck.pop()?.close();
  const same = await eventually(whole, ({ status }) => status === 200);
  assert.equal(same.json.output.content.length, OUTPUT_BYTES);
  assert.equal(same.headers.get('etag'), `"${same.json.last_event_id}"`);
  for (const connection of stuck) connection.close();
});

test('while stuck readers hold all there is, a new stream is 503, an EventSource is asked to come back, and a running stream goes on to its end', async () => {
  const go = Promise.withResolvers<void>();
  upstream.answer = async (call) => {
    call.text('first');
    await go.promise;
    large(call);
  };
  const live = await submit(system.url, chat('live'));
  const running = followToEnd(system.url, live);
  await eventually(
    () => followedTasks(system.url),
    (followed) => followed === 1,
  );
  const stuck = await stuckOn(`/tasks/${tasks.one}`);
  await untilFull();
  assertProblem(await get(`/tasks/${live}/events`), 503, 'unavailable');
  const comesBack = await get(`/tasks/${live}/events`, { Accept: 'text/event-stream' });
  assert.equal(comesBack.status, 200);
  assert.match(comesBack.text, /^retry: \d+\n\n$/);
  go.resolve();
  const end = (await running).at(-1);
  assert.equal(end?.type, 'done');
  assert.equal(end?.data.output.content.length, OUTPUT_BYTES + 'first'.length);
  stuck.close();
  await untilFree();
});

test('a reader that never reads an archived task is cut too, and its log is given back', async () => {
  await system.startRelay();
  await leftRedis(system, Object.values(tasks));
  const stuck = await stuckOn(`/tasks/${tasks.one}/events`);
  await untilFull();
  await untilFree();
  stuck.read();
  const text = await stuck.ended;
  assert.ok(text.length < OUTPUT_BYTES, `${text.length} came`);
  const log = await followToEnd(system.url, tasks.one);
  assert.equal(log.at(-1)?.data.output.content.length, OUTPUT_BYTES);
});
