import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chat, checkEnded, events, followToEnd, post, readStream, submit } from '../../../../scripts/testing/client.ts';
import { flakyNetwork } from '../../../../scripts/testing/flaky-network.ts';
import { ask, rawGet } from '../../../../scripts/testing/raw.ts';
import { type System, startSystem } from '../../../../scripts/testing/system.ts';
import { startUpstream, type Upstream, type UpstreamCall } from '../../../../scripts/testing/upstream.ts';

const DRAIN_MS = 1_500;
/** So long that a busy machine does not see all ends at once. */
const SPREAD_MS = 4_000;
/** Of an API that does not wait for it: longer than whatever a busy machine takes. */
const LONG_MS = 120_000;
const LONG = { DRAIN_MS: String(LONG_MS) };

let system: System;
let upstream: Upstream;
before(async () => {
  upstream = await startUpstream(() => undefined);
  system = await startSystem({ env: { ...upstream.env, DRAIN_MS: String(DRAIN_MS) } });
});
after(async () => {
  await system.stop();
  await upstream.stop();
});

async function heldTask(url: string): Promise<{ id: string; call: UpstreamCall }> {
  const number = upstream.calls.length + 1;
  const id = await submit(url, chat(`task ${number}`));
  return { id, call: await upstream.call(number) };
}

test('when an API stops, its streams end at an event boundary after a retry line, and go on at another without gap or repeat', async (t) => {
  const leaving = await system.startApi({ DRAIN_MS: String(SPREAD_MS) });
  const { id, call } = await heldTask(leaving.url);
  const readers = Array.from({ length: 20 }, () => rawGet(leaving.port, `/tasks/${id}/events`, {}, '1.0'));
  call.text('first ');
  await Promise.all(readers.map((reader) => reader.has(/first /)));

  let words = 0;
  const speech = setInterval(() => call.text(`word-${words++} `), 5);
  t.after(() => clearInterval(speech));
  const startedAt = performance.now();
  const endedAt: number[] = [];
  const waits: number[] = [];
  const stopped = leaving.signal('SIGTERM');
  const texts = await Promise.all(
    readers.map(async (reader) => {
      const text = await reader.ended;
      endedAt.push(performance.now() - startedAt);
      return text;
    }),
  );
  await stopped;
  assert.equal(leaving.child.exitCode, 0);
  clearInterval(speech);
  call.finish();
  const whole = await followToEnd(system.url, id);
  await checkEnded(system.url, id, whole);

  for (const text of texts) {
    const body = text.slice(text.indexOf('\r\n\r\n') + 4);
    const retry = /\n\nretry: (\d+)\n\n$/.exec(body);
    assert.ok(retry, `ends with a retry line: ${body.slice(-200)}`);
    waits.push(Number(retry[1]));
    assert.doesNotMatch(body, /event: done/);
    const ids = [...body.matchAll(/^id: (\d+-\d+)\nevent: \w+\ndata: (.*)\n\n/gm)].map(([, eventId, data]) => {
      JSON.parse(data ?? '');
      return eventId;
    });
    assert.equal(ids.length, [...body.matchAll(/^id: /gm)].length, 'every frame is whole');
    const rest = await followToEnd(system.url, id, { after: ids.at(-1) ?? '' });
    assert.deepEqual(
      [...ids, ...rest.map((event) => event.id)],
      whole.map((event) => event.id),
    );
  }
  assert.ok(Math.max(...endedAt) < SPREAD_MS + 2_000, `the last one after ${Math.max(...endedAt)} ms`);
  for (const wait of waits) assert.ok(wait >= 1_000 && wait <= 5_000, `retry: ${wait}`);
  assert.ok(new Set(waits).size > 5, 'reconnects are spread');
  assert.ok(Math.max(...endedAt) - Math.min(...endedAt) > SPREAD_MS / 4, 'the ends are spread over the drain time');
});

test('when an API stops, waiting requests get their 202, or the task as it is', async () => {
  const leaving = await system.startApi(LONG);
  const { id, call } = await heldTask(leaving.url);
  const number = upstream.calls.length + 1;
  const poll = ask(`${leaving.url}/tasks/${id}?wait=60`);
  const submitted = post(leaving.url, '/api/chat', chat('waits'), { Prefer: 'wait=60' });
  const other = await upstream.call(number);
  const startedAt = performance.now();
  const stopped = leaving.signal('SIGTERM');
  const [polled, answer] = await Promise.all([poll, submitted]);
  assert.ok(performance.now() - startedAt < 30_000, 'neither at the end of its wait nor of the drain');
  assert.equal(polled.status, 200);
  assert.equal(polled.json.status, 'in_progress');
  assert.equal(answer.status, 202);
  assert.equal(answer.json.status, 'in_progress');
  await stopped;
  assert.equal(leaving.child.exitCode, 0);
  for (const held of [call, other]) {
    held.text('at last');
    held.finish();
  }
  for (const task of [id, answer.json.task_id]) {
    assert.equal((await followToEnd(system.url, task)).at(-1)?.data.status, 'completed');
  }
});

test('when an API stops, a submit that streams goes on at another API too', async () => {
  const leaving = await system.startApi();
  const number = upstream.calls.length + 1;
  const response = await fetch(`${leaving.url}/api/chat`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream' },
    body: JSON.stringify(chat('streams')),
  });
  const call = await upstream.call(number);
  const id = response.headers.get('x-task-id') ?? '';
  call.text('before ');
  const stopped = leaving.signal('SIGTERM');
  const seen = await Array.fromAsync(readStream(response));
  await stopped;
  call.text('after');
  call.finish();
  const rest = await followToEnd(system.url, id, { after: seen.at(-1)?.id ?? '0-0' });
  await checkEnded(system.url, id, [...seen, ...rest]);
});

test('when an API stops before a stream has subscribed, its reader is asked to come back too', async (t) => {
  const network = await flakyNetwork(system.redis);
  t.after(network.stop);
  const env = { DRAIN_MS: String(DRAIN_MS) };
  const far = await startSystem({ redis: network.redis, runners: 0, relays: 0, env });
  t.after(far.stop);
  const id = await submit(far.url, chat('later', { delay_ms: 600_000 }));
  assert.equal(await network.deadenNamed('beanline-api-live'), 1);
  const api = far.apis[0];
  const reader = rawGet(api?.port ?? 0, `/tasks/${id}/events`, {}, '1.0');
  await reader.has(/retry: 1000\n\n/);
  await api?.signal('SIGTERM');
  assert.match(await reader.ended, /\r\n\r\nretry: 1000\n\nretry: \d{4}\n\n$/);
  assert.equal(api?.child.exitCode, 0);
});

test('an API with nothing to do stops at once, though clients keep their connections', async () => {
  const leaving = await system.startApi(LONG);
  const { id, call } = await heldTask(leaving.url);
  call.text('at last');
  call.finish();
  for await (const _ of events(leaving.url, id));
  const idle = rawGet(leaving.port, '/healthz');
  await idle.has(/"ok"/);
  const startedAt = performance.now();
  await leaving.signal('SIGTERM');
  assert.ok(performance.now() - startedAt < LONG_MS / 2, `after ${performance.now() - startedAt} ms`);
  assert.equal(leaving.child.exitCode, 0);
  await idle.ended;
  idle.close();
});
