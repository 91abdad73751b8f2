import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { redisCli, testRedis } from '../testing/test-redis.ts';
import { until } from '../testing/until.ts';
import { compactLine, passLog } from './child-log.ts';
import { ownRedis } from './redis/own-redis.ts';
import { waitForRedis } from './redis/redis-server.ts';
import { type SupervisorOptions, supervisor } from './supervisor.ts';

const RUNS = 'setInterval(() => {}, 1000)';
const script = (code: string) => () => spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });

/** However long a busy machine takes over one, programs die young, unless `now` says otherwise. */
function setup(t: TestContext, graceMs = 5_000, timing: Partial<SupervisorOptions> = {}) {
  const said: string[] = [];
  const hopeless: string[] = [];
  const children = supervisor({
    graceMs,
    now: () => 0,
    say: (line) => said.push(line),
    onHopeless: (name, code) => hopeless.push(`${name} ${code}`),
    ...timing,
  });
  t.after(() => {
    children.kill();
    return children.stop();
  });
  return { children, said, hopeless };
}

test('a program that dies is started again, and the reason is said', async (t) => {
  const { children, said } = setup(t);
  children.start({ name: 'worker', spawn: script(RUNS) });
  const { pid } = children.state('worker');
  assert.ok(pid);
  process.kill(pid, 'SIGKILL');
  await until(() => children.state('worker').restarts === 1 && children.state('worker').pid !== undefined);
  assert.notEqual(children.state('worker').pid, pid);
  assert.equal(said.length, 1);
  assert.match(said[0] ?? '', /^worker was killed by SIGKILL after \d+\.\d s, starting it again in 100 ms$/);
});

test('a program that dies in a loop is started ever more slowly', async (t) => {
  const { children, said } = setup(t);
  children.start({ name: 'broken', spawn: script('process.exit(3)') });
  await until(() => said.length === 4);
  assert.deepEqual(
    said.map((line) => /(code \d+).* in (\d+) ms/.exec(line)?.slice(1)),
    [100, 200, 400, 800].map((ms) => ['code 3', String(ms)]),
  );
});

test('a program that dies in a loop waits no longer than the cap, and is told with the last lines of its log', async (t) => {
  const { children, said } = setup(t, 5_000, { maxBackoffMs: 150 });
  let starts = 0;
  children.start({
    name: 'broken',
    spawn: () => script(`process.exit(${++starts % 2 ? 3 : 4})`)(),
    lastWords: async () => [`start ${starts}`, 'Error: no disk'],
  });
  await until(() => said.some((line) => line.includes('10 times')));
  const waits = said.flatMap((line) => /in (\d+) ms$/.exec(line)?.[1] ?? []);
  assert.deepEqual(waits.slice(0, 6), ['100', '150', '150', '150', '150', '150']);
  assert.deepEqual(
    said.filter((line) => line.includes('loop')),
    [
      'broken dies in a loop: 5 times in a row, at last it ended with code 3; the last lines of its log:\n    start 5\n    Error: no disk',
      'broken dies in a loop: 10 times in a row, at last it ended with code 4; the last lines of its log:\n    start 10\n    Error: no disk',
    ],
  );
});

test('a program that ran well before it died is started again as after a first death', async (t) => {
  let time = 0;
  const { children, said } = setup(t, 5_000, { healthyAfterMs: 2_500, now: () => time });
  let starts = 0;
  const spawn = () => {
    if (++starts !== 4) return script('process.exit(3)')();
    time += 3_000;
    return script('process.exit(5)')();
  };
  children.start({ name: 'worker', spawn });
  await until(() => said.length >= 5);
  assert.deepEqual(
    said.slice(0, 5).map((line) => /(code \d+).* in (\d+) ms/.exec(line)?.slice(1)),
    [
      ['code 3', '100'],
      ['code 3', '200'],
      ['code 3', '400'],
      ['code 5', '100'],
      ['code 3', '200'],
    ],
  );
});

test('a program with an unacceptable configuration, or none at all, is not started again', async (t) => {
  const { children, hopeless } = setup(t);
  children.start({ name: 'wrong', spawn: script('process.exit(78)') });
  children.start({ name: 'absent', spawn: () => spawn('/nonexistent/program') });
  await until(() => hopeless.length === 2);
  assert.deepEqual(hopeless.sort(), ['absent 1', 'wrong 78']);
  await delay(200);
  assert.equal(children.state('wrong').restarts + children.state('absent').restarts, 0);
});

test('stop ends every program within the grace, the stubborn by force and the last one last', async (t) => {
  const { children, said } = setup(t, 300);
  const order: string[] = [];
  const politeEnded = Promise.withResolvers<void>();
  const start = (name: string, code: string, last = false) => {
    const ready = new Promise((resolve) => {
      const make = () => {
        const child = script(`${code}; ${RUNS}; console.log('ready')`)();
        child.stdout?.once('data', resolve);
        child.once('exit', () => {
          order.push(name);
          if (name === 'polite') politeEnded.resolve();
        });
        return child;
      };
      children.start({ name, spawn: make, last });
    });
    return ready;
  };
  await Promise.all([
    start('redis', '', true),
    start('polite', `process.on('SIGTERM', () => process.exit(0))`),
    start('stubborn', `process.on('SIGTERM', () => {})`),
  ]);
  // The grace is over when the polite one has ended, and not before the last one has.
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const stopped = children.stop();
  await politeEnded.promise;
  await turn();
  t.mock.timers.tick(300);
  await stopped;
  assert.deepEqual(order, ['polite', 'stubborn', 'redis']);
  assert.deepEqual(said, ['stubborn did not end within 300 ms, killing it']);
});

test('stop during a back-off leaves nothing that starts later', async (t) => {
  const { children, said } = setup(t);
  const child = script('process.exit(3)')();
  t.mock.timers.enable({ apis: ['setTimeout'] });
  children.start({ name: 'broken', spawn: () => child });
  await once(child, 'exit');
  assert.equal(said.length, 1);
  await children.stop();
  t.mock.timers.tick(60_000);
  assert.deepEqual(children.state('broken'), { pid: undefined, restarts: 0 });
});

test('a Redis that is killed comes back on the same port with everything it had accepted', async (t) => {
  const { children } = setup(t);
  const dir = mkdtempSync(join(tmpdir(), 'beanline-own-redis-'));
  t.after(() => children.stop().then(() => rmSync(dir, { recursive: true, force: true })));
  const redis = await ownRedis(dir, () => {}, t.signal);
  children.start({ name: 'redis', spawn: redis.spawn, last: true });
  const ask = (...args: string[]) => redisCli(redis.port, ...args);
  assert.equal(await ask('set', 'task', 'accepted'), 'OK');
  process.kill(children.state('redis').pid ?? 0, 'SIGKILL');
  await until(() => children.state('redis').restarts === 1);
  await waitForRedis(redis.port);
  assert.equal(await ask('get', 'task'), 'accepted');
  assert.match(await ask('config', 'get', 'maxmemory-policy'), /noeviction/);
});

test('a Redis for tests keeps its data over kill and restart, and freezes and thaws', async () => {
  const redis = await testRedis({ maxmemory: '64mb' });
  assert.equal(await redis.cli('set', 'key', 'value'), 'OK');
  await redis.kill();
  await assert.rejects(redis.cli('ping'));
  await redis.restart();
  assert.equal(await redis.cli('get', 'key'), 'value');
  redis.pause();
  const answer = redis.cli('ping');
  assert.equal(await Promise.race([answer, delay(100, 'frozen')]), 'frozen');
  redis.resume();
  assert.equal(await answer, 'PONG');
  await assert.rejects(redis.cli('no-such-command'));
  await redis.stop();
});

test('a log line below warn is left out, one above is short, and what is no JSON stays', () => {
  assert.equal(compactLine('api', '{"level":30,"msg":"request"}'), undefined);
  assert.equal(
    compactLine('api', '{"level":40,"time":1,"name":"api","pid":2,"msg":"slow","ms":12,"url":"/tasks"}'),
    'api warn: slow ms=12 url=/tasks',
  );
  assert.equal(compactLine('api', 'Error: boom'), 'api: Error: boom');
});

test('the last lines of a log are kept, the quiet ones too, for the day its program dies', async () => {
  const lines = Array.from({ length: 20 }, (_, index) => JSON.stringify({ level: 30, msg: `step ${index}` }));
  const log = passLog('runner-1', Readable.from([`${lines.join('\n')}\n\n`]), false);
  await log.ended;
  assert.deepEqual(
    log.last(),
    Array.from({ length: 10 }, (_, index) => `runner-1 info: step ${index + 10}`),
  );
});
