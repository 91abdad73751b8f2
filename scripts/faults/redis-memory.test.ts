/** Redis runs out of memory, or is still loading: refusals, no spinning, and it all goes on when Redis does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { chat, post, submit, visibleText } from '../testing/client.ts';
import { testRedis } from '../testing/test-redis.ts';
import { until } from '../testing/until.ts';
import { slowWords } from '../testing/upstream.ts';
import { checkCalls, checkClean, type Faults, followUntil, followWhole, startFaults, words } from './checks.ts';

const info = async ({ redis }: Pick<Faults, 'redis'>, section: string, name: string) =>
  Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(await redis.cli('info', section))?.[1]);
const used = (system: Faults) => info(system, 'memory', 'used_memory');
const commands = (system: Faults) => info(system, 'stats', 'total_commands_processed');
const ready = ({ url }: Faults) => until('the API accepts', async () => (await fetch(`${url}/readyz`)).ok);
const full = ({ url }: Faults) => until('the API refuses', async () => (await fetch(`${url}/readyz`)).status === 503);

async function assertRefused({ url }: Faults) {
  const { status, json, headers } = await post(url, '/api/chat', chat('too much'));
  assert.deepEqual([status, json.code], [503, 'unavailable']);
  assert.ok(Number(headers.get('retry-after')) >= 1);
}

test('a nearly full Redis refuses submits while running tasks end, and accepts again when there is room', async (t) => {
  const system = await startFaults();
  t.after(system.stop);
  const { url, redis } = system;
  const tasks = await Promise.all(Array.from({ length: 5 }, () => system.start([slowWords(80, 40)])));
  await Promise.all(tasks.map(({ id }) => followUntil(url, id, 'text')));
  // Beside this, what connections take and give back is little: Redis stays as full as it is.
  await redis.cli('setrange', 'filler', '30000000', 'x');
  await redis.cli('config', 'set', 'maxmemory', String(Math.round((await used(system)) * 1.15)));
  await full(system);
  await assertRefused(system);
  for (const task of tasks) {
    assert.equal(visibleText(await followWhole(url, task.id)), words(80));
    assert.equal((await checkCalls(url, task)).attempt, 1);
  }
  await assertRefused(system);
  await checkClean(system);
  await redis.cli('config', 'set', 'maxmemory', '0');
  await ready(system);
  const task = await system.start([slowWords(5, 0)]);
  await followWhole(url, task.id);
  await checkClean(system);
});

test('a full Redis lets attempts write and end; what it held up goes on when there is room, and nobody spins', async (t) => {
  const system = await startFaults({ env: { LOG_LEVEL: 'debug', QUEUES: 'chat.request:2' } });
  t.after(system.stop);
  const { url, redis } = system;
  const short = await system.start([slowWords(10, 50)]);
  const long = await system.start([slowWords(100, 50)]);
  await Promise.all([short, long].map(({ id }) => followUntil(url, id, 'text')));
  // Both slots are taken: these wait, and one sleeps. Nobody can take them while Redis is full.
  const waiting = await Promise.all(Array.from({ length: 10 }, () => system.start([slowWords(5, 0)])));
  const later = await system.start([slowWords(5, 0)], { delay_ms: 700 });
  const all = [short, long, ...waiting, later];
  const readers = all.map(({ id }) => followWhole(url, id));
  for (const reader of readers) reader.catch(() => undefined);
  await redis.cli('config', 'set', 'maxmemory', String(Math.round((await used(system)) * 0.5)));
  await assertRefused(system);
  assert.equal(visibleText((await readers[0]) ?? []), words(10), 'a task that runs when Redis is full ends');

  await full(system);
  const before = { at: performance.now(), commands: await commands(system), lines: system.logs().split('\n').length };
  await delay(3_000);
  const after = { commands: await commands(system), lines: system.logs().split('\n').length, at: performance.now() };
  const seconds = (after.at - before.at) / 1_000;
  const perSecond = Math.round((after.commands - before.commands) / seconds);
  const lines = Math.round((after.lines - before.lines) / seconds);
  t.diagnostic(`while full: ${perSecond} commands and ${lines} log lines a second`);
  // A quarter of it is what the attempt says, a sixth the probes; BullMQ's own retries alone would be 6,700.
  assert.ok(perSecond < 400, `${perSecond} commands a second`);
  assert.ok(lines < 50, `${lines} log lines a second`);

  await redis.cli('config', 'set', 'maxmemory', '0');
  for (const [index, task] of all.entries()) {
    const seen = (await readers[index]) ?? [];
    assert.equal(visibleText(seen), words(task === short ? 10 : task === long ? 100 : 5));
    const json = await checkCalls(url, task);
    assert.equal(json.status, 'completed');
    t.diagnostic(`attempts ${json.attempt}, failures ${json.failures}`);
  }
  await ready(system);
  await checkClean(system);
});

test('while Redis loads its data nobody spins, and accepted tasks run when it is there', async (t) => {
  const redis = await testRedis({ args: ['--key-load-delay', '100'] });
  t.after(redis.stop);
  const system = await startFaults({ redis, env: { LOG_LEVEL: 'debug' } });
  t.after(system.stop);
  const { url } = system;
  const running = await system.start([slowWords(40, 25)]);
  const waiting = await submit(url, chat(system.model(slowWords(5, 0)).prompt, { delay_ms: 2_000 }));
  await followUntil(url, running.id, 'text');
  await redis.cli('eval', "for i = 1, 20000 do redis.call('SET', 'filler:' .. i, 'x') end", '0');
  await redis.kill();
  const linesBefore = system.logs().split('\n').length;
  const loadedAt = performance.now();
  await redis.restart();
  const loadMs = performance.now() - loadedAt;
  const lines = Math.round((system.logs().split('\n').length - linesBefore) / (loadMs / 1_000));
  t.diagnostic(`loading took ${Math.round(loadMs)} ms, with ${lines} log lines a second`);
  assert.ok(loadMs > 1_500, 'it did load for a while');
  assert.ok(lines < 50, `${lines} log lines a second`);
  assert.equal(visibleText(await followWhole(url, running.id)), words(40));
  assert.equal(visibleText(await followWhole(url, waiting)), words(5));
  await checkCalls(url, running);
  await checkClean(system);
});
