/** Whoever is slow slows down what feeds it: nothing in between grows. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { getTask, post } from '../testing/client.ts';
import { flakyNetwork } from '../testing/flaky-network.ts';
import { followedTasks, memoryMb, type RawConnection, rawConnection } from '../testing/raw.ts';
import type { Program } from '../testing/system.ts';
import { until } from '../testing/until.ts';
import type { UpstreamCall } from '../testing/upstream.ts';
import { follow, followUntil, followWhole, startFaults } from './checks.ts';

const MB = 1024 * 1024;
const PIECE = 'x'.repeat(8 * 1024);

/** Sends pieces as fast as they are taken, up to this many bytes. Gives what it has sent so far. */
function torrent(bytes: number) {
  const sent = { bytes: 0 };
  const answer = async (call: UpstreamCall) => {
    const closed = call.closed.then(() => true);
    while (sent.bytes < bytes) {
      call.text(PIECE);
      sent.bytes += PIECE.length;
      if (call.response.writableNeedDrain && (await Promise.race([once(call.response, 'drain'), closed])) === true)
        return;
    }
    call.finish();
  };
  return { sent, answer };
}

test('a model faster than Redis is read no faster than Redis takes it, and the runner does not grow', async (t) => {
  const system = await startFaults({
    runners: 0,
    env: { QUEUES: 'chat.request:2', MAX_OUTPUT_BYTES: String(256 * MB) },
  });
  t.after(system.stop);
  const { url, redis } = system;
  const network = await flakyNetwork(redis, { delayMs: 40 });
  t.after(network.stop);
  const runner = await system.startRunner({ REDIS_URL: network.redis.url });
  const { sent, answer } = torrent(128 * MB);
  const task = await system.start([answer]);
  await followUntil(url, task.id, 'text');
  const before = await memoryMb(runner.child.pid);
  const loggedBytes = async () => Number(await redis.cli('MEMORY', 'USAGE', `bl:{0}:log:${task.id}`, 'SAMPLES', '0'));

  let most = 0;
  let grown = 0;
  const from = { bytes: sent.bytes, logged: await loggedBytes(), at: performance.now() };
  while (performance.now() - from.at < 5_000) {
    // Sent first: what is logged meanwhile only makes the difference smaller.
    const ahead = sent.bytes - (await loggedBytes());
    most = Math.max(most, ahead);
    grown = Math.max(grown, (await memoryMb(runner.child.pid)) - before);
    await delay(100);
  }
  const logged = (await loggedBytes()) - from.logged;
  t.diagnostic(
    `in 5 s ${(logged / MB).toFixed(1)} MB logged, at most ${(most / MB).toFixed(1)} MB ahead of the log, ` +
      `the runner grew by ${Math.round(grown)} MB`,
  );
  assert.ok(logged > 0, 'it goes on');
  assert.ok(sent.bytes < 64 * MB, 'the model was held up');
  // The kernel's socket buffers are megabytes; ours hold 64 kB and what a stream keeps.
  assert.ok(most < 24 * MB, `${most / MB} MB ahead`);
  assert.ok(grown < 80 + (2 * logged) / MB, `the runner grew by ${grown} MB`);
  assert.equal((await post(url, `/tasks/${task.id}/cancel`, {})).status, 202);
  await (await task.call(1)).closed;
  assert.equal((await followWhole(url, task.id)).at(-1)?.data.status, 'cancelled');
});

const TASKS = 5;
const READERS = 200;
const OUTPUT = 10 * MB;
const READER_TIMEOUT_MS = 6_000;

test('200 readers that never read cost an API and a runner that stream 50 MB little; they are cut, and resume without a gap', async (t) => {
  const env = {
    READER_TIMEOUT_MS: String(READER_TIMEOUT_MS),
    MAX_OUTPUT_BYTES: String(2 * OUTPUT),
    QUEUES: 'chat.request:5',
    // Five outputs of 10 MB, a few copies of each, and no more.
    NODE_OPTIONS: '--max-old-space-size=256',
  };
  const system = await startFaults({ env });
  t.after(system.stop);
  const { url } = system;
  const [api] = system.apis;
  const [runner] = system.runners as [Program];
  assert.ok(api);
  const go = Promise.withResolvers<void>();
  const tasks = await Promise.all(
    Array.from({ length: TASKS }, () => {
      return system.start([
        // Every attempt gets it all, should there be a second one.
        async (call) => {
          call.text('first');
          await go.promise;
          await torrent(OUTPUT).answer(call);
        },
      ]);
    }),
  );
  await Promise.all(tasks.map(({ id }) => followUntil(url, id, 'text')));
  await until('the first readers are gone', async () => (await followedTasks(url)) === 0);
  const before = { api: await memoryMb(api.child.pid), runner: await memoryMb(runner.child.pid) };
  const stuck = Array.from({ length: READERS }, (_, index) => {
    const connection: RawConnection = rawConnection(api.port);
    // HTTP 1.0: the stream comes as it is, not in chunks.
    connection.send(`GET /tasks/${tasks[index % TASKS]?.id}/events HTTP/1.0\r\nHost: localhost\r\n\r\n`);
    return connection;
  });
  await until('the readers follow', async () => (await followedTasks(url)) === TASKS);

  const startedAt = performance.now();
  go.resolve();
  const ends = Promise.all(tasks.map(({ id }) => follow(url, id, { timeoutMs: 90_000 })));
  const grown = { api: 0, runner: 0 };
  let cut = false;
  while (!cut) {
    grown.api = Math.max(grown.api, (await memoryMb(api.child.pid)) - before.api);
    grown.runner = Math.max(grown.runner, (await memoryMb(runner.child.pid)) - before.runner);
    cut = (await followedTasks(url)) === 0;
    assert.ok(performance.now() - startedAt < 90_000, 'the readers are never cut');
    await delay(50);
  }
  const tookMs = performance.now() - startedAt;
  await ends;
  t.diagnostic(
    `cut after ${Math.round(tookMs)} ms; the API grew by ${Math.round(grown.api)} MB, the runner by ${Math.round(grown.runner)} MB`,
  );
  assert.ok(tookMs >= READER_TIMEOUT_MS);
  // Without bounds each reader would hold its 10 MB: 2,000 MB.
  assert.ok(grown.api < 400, `the API grew by ${grown.api} MB`);
  assert.ok(grown.runner < 500, `the runner grew by ${grown.runner} MB`);

  for (const [index, { id }] of tasks.entries()) {
    const log = await followWhole(url, id);
    assert.equal((await getTask(url, id)).json.output.content.length, OUTPUT + 'first'.length);
    const reader = stuck[index];
    reader?.read();
    const got = (await reader?.ended) ?? '';
    assert.doesNotMatch(got, /^event: done$/m);
    const ids = [...got.matchAll(/^id: (\d+-\d+)\nevent: \w+\ndata: .*\n\n/gm)].map(([, eventId]) => eventId ?? '');
    const rest = await follow(url, id, { after: ids.at(-1) });
    assert.deepEqual(
      [...ids, ...rest.map((event) => event.id)],
      log.map((event) => event.id),
    );
  }
  for (const connection of stuck) connection.close();
});
