/** What `/readyz` tells, and when it is 503: only then may a load balancer leave. */
import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chat, followToEnd, post, submit } from '../../../../scripts/testing/client.ts';
import { startInProcess } from '../../../../scripts/testing/in-process.ts';
import { watchMachine } from '../../../../scripts/testing/machine.ts';
import { ask, eventually } from '../../../../scripts/testing/raw.ts';
import { type Program, type System, startSystem } from '../../../../scripts/testing/system.ts';
import { testRedis } from '../../../../scripts/testing/test-redis.ts';

const CLOCK_AHEAD = fileURLToPath(new URL('../../../../scripts/testing/clock-ahead.ts', import.meta.url));
const AHEAD_MS = 5_000;
const OFF = "this machine's clock is off that of Redis";
const RIGHT = "this machine's clock agrees with that of Redis again";

const readyz = ({ url }: Pick<System, 'url'>) => ask(`${url}/readyz`);
// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever an answer holds
const until = (system: Pick<System, 'url'>, holds: (json: any) => boolean) =>
  eventually(
    () => readyz(system),
    ({ json }) => holds(json),
  );

// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever an answer holds
const queueOf = (json: any, type = 'chat.request') => json.queues?.find((queue: any) => queue.type === type);

test('/readyz counts the runners of each queue: those told to stop are gone at once, killed ones soon', async (t) => {
  const system = await startSystem({ runners: 0, env: { QUEUES: 'chat.request:2' } });
  t.after(system.stop);
  const none = await readyz(system);
  assert.deepEqual([none.status, none.json.status, none.json.checks.runners], [200, 'degraded', 'absent']);
  const types = none.json.queues.map(({ type }: { type: string }) => type);
  assert.deepEqual(none.json.queues_without_runner, types);
  const [first, second] = [await system.startRunner(), await system.startRunner()];
  const both = await until(system, (json) => queueOf(json)?.runners === 2);
  assert.equal(queueOf(both.json, 'test.once').runners, 0);
  assert.deepEqual([both.json.status, both.json.checks.runners], ['degraded', 'absent'], 'a queue that nobody takes');
  assert.ok(both.json.queues_without_runner.includes('test.once'));
  assert.ok(!both.json.queues_without_runner.includes('chat.request'));
  await first.signal('SIGTERM');
  const machine = watchMachine(t, system.url);
  const toldAt = performance.now();
  await until(system, (json) => queueOf(json)?.runners === 1);
  assert.ok(performance.now() - toldAt < 3_000 + machine.stop());
  await second.signal('SIGKILL');
  const gone = await until(system, (json) => queueOf(json)?.runners === 0);
  assert.equal(gone.status, 200, 'tasks are accepted all the same');
  // With one that takes every queue it is well.
  const whole = await startInProcess();
  t.after(whole.stop);
  const well = await until(whole, ({ status }) => status === 'ready');
  assert.deepEqual([well.status, well.json.queues_without_runner], [200, []]);
});

test('/readyz tells of a relay that is gone and of the age of what it left unread', async (t) => {
  const system = await startSystem({ runners: 1 });
  t.after(system.stop);
  const [relay] = system.relays as [Program];
  await followToEnd(system.url, await submit(system.url));
  await until(system, ({ checks, bus_lag_ms }) => checks.relay === 'ok' && bus_lag_ms === 0);
  await relay.signal('SIGKILL');
  await followToEnd(system.url, await submit(system.url));
  const late = await until(system, ({ checks, bus_lag_ms }) => checks.relay === 'absent' && bus_lag_ms > 1_000);
  assert.deepEqual([late.status, late.json.status, late.json.checks.bus], [200, 'ready', 'ok']);
  await system.startRelay();
  await until(system, ({ checks, bus_lag_ms }) => checks.relay === 'ok' && bus_lag_ms === 0);
});

test('/readyz shows how full a queue is; a queue at its limit answers 429 itself, and the API stays ready', async (t) => {
  const system = await startInProcess({ runners: 0, relays: 0, env: { MAX_QUEUE_TASKS: '3' } });
  t.after(system.stop);
  for (let i = 0; i < 3; i++) await submit(system.url, chat('later', { delay_ms: 600_000 }));
  const { status, json } = await until(system, ({ checks }) => checks.queues === 'full');
  assert.equal(status, 200);
  const { waiting, max_waiting, waiting_bytes, max_waiting_bytes } = queueOf(json);
  assert.deepEqual([waiting, max_waiting], [3, 3]);
  assert.ok(waiting_bytes > 100 && max_waiting_bytes > waiting_bytes);
  assert.equal((await post(system.url, '/api/chat', chat())).status, 429);
});

test('an API whose Redis takes no writes is not ready, and is again when it does', async (t) => {
  const redis = await testRedis();
  const system = await startInProcess({ redis, runners: 0, relays: 0 });
  t.after(system.stop);
  t.after(redis.stop);
  await redis.cli('CONFIG', 'SET', 'min-replicas-to-write', '1');
  const refused = await until(system, ({ checks }) => checks.writes === 'refused');
  assert.deepEqual([refused.status, refused.json.status, refused.json.checks.redis], [503, 'unavailable', 'ok']);
  assert.equal((await post(system.url, '/api/chat', chat())).status, 503);
  await redis.cli('CONFIG', 'SET', 'min-replicas-to-write', '0');
  // It has no runner.
  const back = await until(system, ({ status }) => status === 'degraded');
  assert.deepEqual([back.status, back.json.checks.writes], [200, 'ok']);
  assert.equal(queueOf(back.json).waiting, 0, 'nothing was accepted meanwhile');
});

test('/readyz asked by many costs Redis one look a second, and names no owner, task or machine', async (t) => {
  const redis = await testRedis();
  const system = await startInProcess({ redis, runners: 1, relays: 0 });
  t.after(system.stop);
  t.after(redis.stop);
  const id = await submit(system.url, chat('later', { delay_ms: 600_000 }));
  const looks = async () => Number(/cmdstat_xlen:calls=(\d+)/.exec(await redis.cli('INFO', 'commandstats'))?.[1] ?? 0);
  const before = await looks();
  const startedAt = performance.now();
  for (let i = 0; i < 20; i++) await Promise.all(Array.from({ length: 50 }, () => readyz(system)));
  const seconds = (performance.now() - startedAt) / 1_000;
  const cost = (await looks()) - before;
  t.diagnostic(`${cost} looks for 1,000 requests in ${seconds.toFixed(1)} s`);
  assert.ok(cost <= seconds + 1, `${cost} looks in ${seconds} s`);
  const { text } = await readyz(system);
  const worker = `${hostname()}:${process.pid}`;
  for (const secret of [id, 'local', worker, system.redis.url]) {
    assert.ok(!text.includes(secret), secret);
  }
});

test('programs whose clock is off say so once in the log, and once when it is right; the API says so in /readyz and stays ready', async (t) => {
  const system = await startSystem({
    env: { NODE_OPTIONS: `--import ${CLOCK_AHEAD}`, CLOCK_AHEAD_MS: String(AHEAD_MS), QUEUES: 'chat.request:2' },
  });
  t.after(system.stop);
  const programs = [...system.apis, ...system.runners, ...system.relays];
  const said = (program: Program, what: string) => program.log().split(what).length - 1;
  const all = (what: string) =>
    eventually(
      async () => programs.map((program) => said(program, what)),
      (counts) => counts.every((count) => count > 0),
    );
  await all(OFF);
  const off = await until(system, ({ clock_offset_ms }) => Math.abs(clock_offset_ms + AHEAD_MS) < 500);
  assert.deepEqual([off.status, off.json.checks.clock], [200, 'off']);
  await followToEnd(system.url, await submit(system.url));
  for (const { child } of programs) child.kill('SIGUSR2');
  await all(RIGHT);
  await until(system, ({ checks }) => checks.clock === 'ok');
  for (const program of programs) assert.deepEqual([said(program, OFF), said(program, RIGHT)], [1, 1]);
});

test('a clock within the tolerance is right', async (t) => {
  const env = { NODE_OPTIONS: `--import ${CLOCK_AHEAD}`, CLOCK_AHEAD_MS: '1500', CLOCK_TOLERANCE_MS: '10000' };
  const system = await startSystem({ runners: 0, relays: 0, env });
  t.after(system.stop);
  const { json } = await eventually(
    () => readyz(system),
    ({ json }) => Math.abs(json.clock_offset_ms + 1_500) < 400,
  );
  assert.equal(json.checks.clock, 'ok');
});
