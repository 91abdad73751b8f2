/** The store is away: tasks run, stream and are read as ever, nothing is dropped, everybody is told, and the backlog drains in order. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { inRedis, leftRedis, removable, SHORT_RETENTION } from '../testing/archived.ts';
import { chat, followToEnd, post, submit } from '../testing/client.ts';
import { ask, assertProblem, eventually } from '../testing/raw.ts';
import { storeOf } from '../testing/store.ts';
import { holdStoreFile, openStoreFile } from '../testing/store-file.ts';
import { slowWords } from '../testing/upstream.ts';
import { startFaults } from './checks.ts';

/** What a busy machine may take for an answer of a store that is there. One that cannot be opened says so at once. */
const STORE_TIMEOUT_MS = 20_000;
const UNKNOWN = `task_${'0'.repeat(25)}`;

/** A system whose store cannot be opened: where its directory should be, there is a file. `mend` takes it away. */
async function withoutStore(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), 'beanline-away-'));
  const dataDir = join(dir, 'data');
  writeFileSync(dataDir, 'no directory');
  const system = await startFaults({
    env: { ...SHORT_RETENTION, DATA_DIR: dataDir, STORE_TIMEOUT_MS: String(STORE_TIMEOUT_MS) },
  });
  t.after(async () => {
    await system.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  system.upstream.answer = slowWords(10, 2);
  return { ...system, dataDir, mend: () => rmSync(dataDir) };
}

const readyz = async (url: string) => (await ask(`${url}/readyz`)).json;
const logged = (log: string, what: string) => log.split(what).length - 1;

test('200 tasks that end while the store is away are all there, in order, when it is back; meanwhile nothing is dropped', async (t) => {
  const system = await withoutStore(t);
  const { url, relays } = system;
  const order: string[] = [];
  const readings = new Map<string, string[]>();
  for (let i = 0; i < 10; i++) {
    const ids = await Promise.all(Array.from({ length: 20 }, () => submit(url)));
    await Promise.all(ids.map((id) => followToEnd(url, id)));
    order.push(...ids);
  }
  const read = async (id: string) => [
    (await ask(`${url}/tasks/${id}`)).text,
    (await ask(`${url}/tasks/${id}/events`)).text,
  ];
  for (const id of order) readings.set(id, await read(id));
  assert.deepEqual(await inRedis(system, order), order, 'nothing was removed');
  assert.deepEqual(await removable(system, order), [], 'nothing may be');
  const away = await readyz(url);
  assert.deepEqual([away.status, away.checks.store], ['ready', 'away']);
  assert.ok(away.bus_backlog >= 2 * order.length && away.bus_lag_ms > 0);
  const ends = (await system.redis.cli('--raw', 'xrange', 'bl:{0}:outbox', '-', '+')).split('\n');
  const endedOrder = ends.flatMap((line, index) => (line === 'to' && ends[index + 1] === 'completed' ? [index] : []));

  system.mend();
  const mendedAt = performance.now();
  await eventually(
    () => readyz(url),
    ({ checks, bus_lag_ms }) => checks.store === 'ok' && bus_lag_ms === 0,
  );
  t.diagnostic(`drained ${Math.round(performance.now() - mendedAt)} ms after the store was back`);
  await leftRedis(system, order);
  for (const id of order) assert.deepEqual(await read(id), readings.get(id));
  const database = openStoreFile(join(system.dataDir, 'store.db'), { readOnly: true });
  const rows = database.prepare('SELECT id FROM tasks ORDER BY number').all();
  database.close();
  const wanted = endedOrder.map((index) => {
    // `task <id>` stands before `to <status>` in an entry.
    const at = ends.lastIndexOf('task', index);
    return ends[at + 1];
  });
  assert.deepEqual(
    rows.map(({ id }) => id),
    wanted,
  );
  const log = relays.map((relay) => relay.log()).join('');
  assert.equal(logged(log, 'the store is away'), 1, 'said once');
  assert.equal(logged(log, 'the store is back'), 1);
});

test('what may be in a store that is away is answered 503, never 404; what Redis has is answered, and a list says what it lacks', async (t) => {
  const { url, mend, dataDir } = await withoutStore(t);
  const id = await submit(url, chat('x'));
  await followToEnd(url, id);
  assert.equal((await ask(`${url}/tasks/${id}`)).status, 200);
  for (const [method, path] of [
    ['GET', ''],
    ['GET', '?wait=5'],
    ['GET', '/events'],
    ['POST', '/cancel'],
    ['POST', '/retry'],
  ] as const) {
    const answer = await ask(`${url}/tasks/${UNKNOWN}${path}`, { method });
    assertProblem(answer, 503, 'unavailable');
    assert.match(answer.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
    assert.match(answer.json.detail, /store/);
  }
  const source = await ask(`${url}/tasks/${UNKNOWN}/events`, { headers: { Accept: 'text/event-stream' } });
  assert.deepEqual([source.status, /^retry: \d+\n\n$/.test(source.text)], [200, true], 'an EventSource comes back');
  assertProblem(await ask(`${url}/tasks/task_0`), 404, 'not_found');

  const list = async (query: string) => (await ask(`${url}/tasks${query}`)).json;
  const other = await submit(url, chat('y', { delay_ms: 600_000 }));
  const first = await list('?limit=1');
  assert.deepEqual([first.tasks[0].task_id, first.incomplete, first.next_cursor], [other, true, other]);
  const second = await list(`?limit=5&cursor=${other}`);
  assert.deepEqual([second.tasks[0].task_id, second.incomplete, second.next_cursor], [id, true, null]);
  assert.equal((await list('?status=scheduled')).incomplete, undefined, 'what is open is in Redis alone');

  const startedAt = performance.now();
  assert.deepEqual((await readyz(url)).checks.store, 'away');
  assert.ok(performance.now() - startedAt < STORE_TIMEOUT_MS, 'it does not wait for the store');
  mend();
  await eventually(
    () => ask(`${url}/tasks/${UNKNOWN}`),
    ({ status }) => status === 404,
  );
  assert.equal((await list('')).incomplete, undefined);
  assert.ok(dataDir);
});

test('a store that somebody else has locked takes nothing and loses nothing; tasks end, expire and are submitted meanwhile', async (t) => {
  const system = await startFaults({ env: { ...SHORT_RETENTION, STORE_TIMEOUT_MS: '3000' } });
  t.after(system.stop);
  system.upstream.answer = slowWords(5, 0);
  const { url } = system;
  const before = await submit(url);
  await leftRedis(system, [before]);
  const lock = holdStoreFile(join(system.dataDir, 'store.db'));
  t.after(() => lock.close());
  const ids = await Promise.all(Array.from({ length: 30 }, () => submit(url)));
  await Promise.all(ids.map((id) => followToEnd(url, id)));
  // The sweep does not wait for the store.
  const approval = { type: 'test.approval', input: { questions: ['a'], expires_in_ms: 300 } };
  const expired = await submit(url, approval, '/tasks');
  assert.equal((await followToEnd(url, expired)).at(-1)?.data.status, 'expired');
  assert.equal((await post(url, `/tasks/${before}/retry`, '')).status, 202, 'what it has can be read');
  assert.deepEqual(await removable(system, [...ids, expired]), []);
  lock.exec('ROLLBACK');
  await leftRedis(system, [...ids, expired]);
  const store = storeOf(system);
  t.after(() => store.close());
  const archived = await store.tasks.list('local', { limit: 1_000, before: null });
  for (const id of [before, ...ids, expired]) assert.equal(archived.filter((task) => task.id === id).length, 1);
});
