/** The main path on a Redis Cluster of three masters, and a master that dies or freezes while tasks stream. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { partitionOf } from '@beanline/shared/task-id.ts';
import { asLogged, chat, events, getTask, post, visibleText } from '../testing/client.ts';
import { ownerClient } from '../testing/owners.ts';
import { startSystem } from '../testing/system.ts';
import { type TestCluster, testCluster } from '../testing/test-cluster.ts';
import type { TestRedis } from '../testing/test-redis.ts';
import { until } from '../testing/until.ts';
import { slowWords } from '../testing/upstream.ts';
import {
  checkCalls,
  checkClean,
  type Faults,
  follow,
  followUntil,
  followWhole,
  heldWords,
  startFaults,
  words,
} from './checks.ts';

const PARTITIONS = 64;
const partitionIn = (id: string) => partitionOf(id, PARTITIONS) ?? -1;
const ENDLESS_MS = 30_000;
type ListPage = { tasks: { task_id: string }[]; next_cursor: string | null };

let cluster: TestCluster;
let system: Faults;
before(async () => {
  cluster = await testCluster({ replicas: true });
  system = await startFaults({ redis: cluster, apis: 2, runners: 2, relays: 2 });
});
after(async () => {
  await system?.stop();
  await cluster?.stop();
});
const url = (index: number) => system.apis[index % 2]?.url ?? '';

test('tasks spread over all masters; each streams, is listed, and is the same at every API', async () => {
  const tasks = await Promise.all(Array.from({ length: 60 }, () => system.start([slowWords(10, 5)])));
  const streams = await Promise.all(
    tasks.map(async ({ id }, index) => {
      const seen = await followWhole(url(index), id);
      assert.equal(visibleText(seen), words(10));
      return seen;
    }),
  );
  assert.equal(streams.length, 60);
  const masters = new Set<number>();
  for (const { id } of tasks) masters.add((await cluster.masterOf(`bl:{${partitionIn(id)}}:open`)).port);
  assert.equal(masters.size, 3);
  for (const task of tasks) assert.equal((await checkCalls(url(1), task)).attempt, 1);

  const listed: string[] = [];
  for (let cursor = ''; ; ) {
    const page = (await (await fetch(`${url(0)}/tasks?limit=25${cursor}`)).json()) as ListPage;
    listed.push(...page.tasks.map(({ task_id }) => task_id));
    if (page.next_cursor === null) break;
    cursor = `&cursor=${page.next_cursor}`;
  }
  const newestFirst = tasks
    .map(({ id }) => id)
    .sort()
    .reverse();
  assert.deepEqual(listed, newestFirst);
  await checkClean(system);
});

test('fifty racers with one key over two APIs make one task', async () => {
  const model = system.model(slowWords(5, 0));
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      untilAccepted(url(index), chat(model.prompt), { 'Idempotency-Key': 'cluster-race' }),
    ),
  );
  assert.equal(new Set(answers).size, 1);
  await followWhole(url(1), answers[0] ?? '');
  assert.equal(model.calls.length, 1);
  await checkClean(system);
});

/** The longest that any submit waited for its answer, accepted or not. */
let slowestMs = 0;

/** Submits as a client behind a balancer does: the same key again, at either API, until it is accepted. */
async function untilAccepted(first: string, body: unknown, headers: Record<string, string>): Promise<string> {
  const deadline = performance.now() + ENDLESS_MS;
  for (let index = 0; performance.now() < deadline; index++) {
    const askedAt = performance.now();
    const { status, json } = await post(index === 0 ? first : url(index), '/api/chat', body, headers);
    slowestMs = Math.max(slowestMs, performance.now() - askedAt);
    if (status === 202) return json.task_id;
    assert.equal(status, 503, JSON.stringify(json));
    await delay(50);
  }
  throw new Error('never accepted');
}

/** Streams and submits go on while `act` takes a master away; everything ends whole, exactly once. */
async function outlive(
  name: string,
  act: (master: TestRedis) => Promise<void>,
  back: (master: TestRedis) => Promise<void>,
) {
  // An end that a replica has not heard of yet would be lost with its master, and is not what this is about.
  const standsIn = Promise.withResolvers<void>();
  const running = await Promise.all(
    Array.from({ length: 24 }, (_, index) =>
      system.start([heldWords(80, standsIn.promise)], { metadata: { index: String(index) } }),
    ),
  );
  await Promise.all(running.map(({ id }, index) => followUntil(url(index), id, 'text')));
  const readers = running.map(({ id }, index) => follow(url(index), id));

  const key = 'bl:{chat.request}:meta';
  const master = await cluster.masterOf(key);
  await cluster.giveUp('soon');
  await cluster.replicated(master);
  await act(master);
  const lostAt = performance.now();
  let over = false;
  let refusedMs = 0;
  slowestMs = 0;
  const submits = (async () => {
    const made: { id: string; calls: unknown[] }[] = [];
    for (let index = 0; !over; index++) {
      const model = system.model(slowWords(5, 0));
      const askedAt = performance.now();
      const id = await untilAccepted(url(index), chat(model.prompt), { 'Idempotency-Key': `${name}-${index}` });
      refusedMs = Math.max(refusedMs, performance.now() - askedAt);
      made.push({ id, calls: model.calls });
      await delay(50);
    }
    return made;
  })();
  const standIn = () => cluster.masterOf(key).catch(() => master);
  await until('a replica has taken over', async () => (await standIn()).port !== master.port);
  const promotedMs = performance.now() - lostAt;
  standsIn.resolve();
  await delay(500);
  await back(master);
  await cluster.giveUp('late');
  await delay(500);
  over = true;

  const submitted = await submits;
  const endings = await Promise.all(readers);
  for (const [index, { id }] of running.entries()) {
    const seen = endings[index] ?? [];
    assert.equal(visibleText(seen), words(80), JSON.stringify(seen));
    assert.deepEqual(asLogged(seen), await Array.fromAsync(events(url(0), id)));
    assert.equal(seen.filter(({ type }) => type === 'done').length, 1);
    const { json } = await getTask(url(0), id);
    assert.deepEqual([json.status, json.output?.content], ['completed', words(80)], JSON.stringify(json));
  }
  for (const { id } of submitted) {
    assert.equal(visibleText(await followWhole(url(0), id)), words(5));
    assert.equal((await getTask(url(1), id)).json.status, 'completed');
  }
  const attempts = await Promise.all(running.map(async ({ id }) => (await getTask(url(0), id)).json.attempt));
  const gaps = endings.flat().filter(({ type }) => type === 'gap').length;
  await checkClean(system);
  return `promoted after ${Math.round(promotedMs)} ms; ${submitted.length} submits meanwhile, accepted within ${Math.round(
    refusedMs,
  )} ms, answered within ${Math.round(slowestMs)}; ${attempts.filter((count) => count > 1).length} of 24 streams began again, ${gaps} gaps`;
}

test('owners are as far apart on a Cluster as on one Redis, at every API', async (t) => {
  const [anna, ben] = ['anna-key-0123456789', 'ben-key-0123456789'];
  const env = { KEY_PREFIX: 'owners', API_KEYS: `anna:${anna},ben:${ben}`, RATE_LIMIT: '1000' };
  const own = await startSystem({ redis: cluster, apis: 2, env });
  t.after(own.stop);
  const annas = own.apis.map(({ url }) => ownerClient(url, anna));
  const bens = own.apis.map(({ url }) => ownerClient(url, ben));
  const ids = await Promise.all(Array.from({ length: 20 }, (_, index) => annas[index % 2]?.submit('hello')));
  for (const [index, id = ''] of ids.entries()) {
    assert.match((await (await annas[index % 2]?.stream(id))?.text()) ?? '', /event: done\n/);
    const ended = await annas[index % 2]?.get(`/tasks/${id}`);
    assert.equal(ended?.json.status, 'completed');
    assert.match(ended?.headers.get('ratelimit') ?? '', /^"default";r=\d+;t=\d+$/);
    assert.equal((await bens[index % 2]?.get(`/tasks/${id}`))?.status, 404);
    assert.equal((await fetch(`${own.apis[index % 2]?.url}/tasks/${id}`)).status, 401);
  }
  assert.equal((await annas[0]?.get('/tasks'))?.json.tasks.length, 20);
  assert.deepEqual((await bens[1]?.get('/tasks'))?.json.tasks, []);
});

test('a master that is killed is replaced: no task is lost, each ends once and whole', async (t) => {
  t.diagnostic(
    await outlive(
      'killed',
      (master) => master.kill(),
      (master) => master.restart(),
    ),
  );
});

test('a master that freezes is replaced, and what it says when it wakes counts no more', async (t) => {
  const freeze = async (master: TestRedis) => master.pause();
  const wake = async (master: TestRedis) => master.resume();
  t.diagnostic(await outlive('frozen', freeze, wake));
});
