import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { chat } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { watchMachine } from '../../../../scripts/testing/machine.ts';
import { bearer, ownerClient } from '../../../../scripts/testing/owners.ts';
import { assertProblem, eventually, followedTasks } from '../../../../scripts/testing/raw.ts';
import { PROMPT } from '../../../../scripts/testing/system.ts';
import { testRedis } from '../../../../scripts/testing/test-redis.ts';

const RATE = 40;
const STREAMS = 3;
const WAITING = 4;
const names = ['anna', 'ben', 'carol', 'dora', 'emil', 'fred', 'gina'] as const;
const keyOf = (name: string) => `${name}-key-0123456789`;

const API_KEYS = names.map((name) => `${name}:${keyOf(name)}`).join(',');

let system: InProcess;
type Name = (typeof names)[number];
const client = (name: Name, api = 0) => ownerClient(system.apis[api]?.url ?? '', keyOf(name));
before(async () => {
  system = await startInProcess({
    runners: 0,
    relays: 0,
    apis: 2,
    env: {
      API_KEYS,
      RATE_LIMIT: String(RATE),
      MAX_OWNER_STREAMS: String(STREAMS),
      MAX_OWNER_TASKS: String(WAITING),
    },
  });
});
after(() => system.stop());

test('two APIs together let pass so many requests of an owner per second, and tell how many are left', async (t) => {
  await client('anna').get('/tasks');
  const startedAt = performance.now();
  const answers: Awaited<ReturnType<ReturnType<typeof client>['get']>>[] = [];
  // Until one is refused: on a busy machine all of the first ones may come slowly enough.
  await eventually(
    async () => {
      const requests = Array.from({ length: 4 * RATE }, (_, index) =>
        client('anna', index % 2).get('/api/chat/preferences'),
      );
      answers.push(...(await Promise.all(requests)));
    },
    () => answers.some(({ status }) => status !== 200),
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  const passed = answers.filter(({ status }) => status === 200);
  const refused = answers.filter(({ status }) => status !== 200);
  t.diagnostic(`${passed.length} passed and ${refused.length} were refused in ${seconds.toFixed(2)} s`);
  assert.ok(passed.length <= RATE * (Math.ceil(seconds) + 1), `${passed.length} passed`);
  assert.ok(passed.length >= RATE - 1);
  for (const answer of refused) {
    assertProblem(answer, 429, 'rate_limited');
    assert.equal(answer.headers.get('retry-after'), '1');
    assert.equal(answer.headers.get('ratelimit'), '"default";r=0;t=1');
  }
  for (const { headers } of answers) assert.equal(headers.get('ratelimit-policy'), `"default";q=${RATE};w=1`);
  const left = passed.map(({ headers }) => Number(/^"default";r=(\d+);t=1$/.exec(headers.get('ratelimit') ?? '')?.[1]));
  assert.ok(left.every((count) => count >= 0 && count < RATE));

  const other = await client('ben').get('/tasks');
  assert.equal(other.status, 200, 'another owner has his own');
  await delay(Number(refused[0]?.headers.get('retry-after')) * 1_000);
  assert.equal((await client('anna', 1).get('/tasks')).status, 200);
});

test('a submit, its stream and its refusals carry the rate, and a refused one leaves nothing', async () => {
  const carol = client('carol');
  const headers = { ...bearer(keyOf('carol')), Accept: 'text/event-stream', 'Content-Type': 'application/json' };
  const body = JSON.stringify(chat('later', { delay_ms: 600_000 }));
  const gone = new AbortController();
  const stream = await fetch(`${system.url}/api/chat`, { method: 'POST', headers, body, signal: gone.signal });
  assert.match(stream.headers.get('ratelimit') ?? '', /^"default";r=\d+;t=1$/);
  assert.equal((await carol.post('/api/chat', {})).headers.get('ratelimit-policy'), `"default";q=${RATE};w=1`);
  gone.abort();
  const kept = (await carol.get('/tasks')).json.tasks.length;
  await eventually(
    () => Promise.all(Array.from({ length: 2 * RATE }, () => carol.post('/no/such/page', {}))),
    (answers) => answers.some(({ status }) => status === 429),
  );
  const refused = await carol.post('/api/chat', chat());
  if (refused.status === 429) assertProblem(refused, 429, 'rate_limited');
  await delay(1_000);
  const added = refused.status === 202 ? 1 : 0;
  assert.equal((await carol.get('/tasks')).json.tasks.length, kept + added);
});

test('a stock reader over the rate is asked to come back, because at 429 it would give up for good', async () => {
  const dora = client('dora');
  const id = await dora.submit('later', { delay_ms: 600_000 });
  const readers = await eventually(
    () =>
      Promise.all(
        Array.from({ length: 2 * RATE }, () =>
          // One of another's is enough to be counted, and does not stay open.
          dora.get(`/tasks/${id.slice(0, -1)}/events`, { Accept: 'text/event-stream' }),
        ),
      ),
    (answers) => answers.some(({ status }) => status === 200),
  );
  for (const { status, headers, text } of readers) {
    if (status === 404) continue;
    assert.equal(status, 200);
    assert.equal(headers.get('content-type'), 'text/event-stream');
    assert.match(text, /^retry: [1-4]\d{3}\n\n$/);
  }
});

test('an owner has so many event streams in one API, and gets a place back when one ends', async () => {
  const emil = client('emil');
  const id = await emil.submit('later', { delay_ms: 600_000 });
  const cuts = Array.from({ length: STREAMS }, () => new AbortController());
  for (const cut of cuts) assert.equal((await emil.stream(id, cut.signal)).status, 200);
  const refused = await emil.get(`/tasks/${id}/events`);
  assertProblem(refused, 429, 'rate_limited');
  assert.ok(Number(refused.headers.get('retry-after')) >= 1);

  const before = (await emil.get('/tasks')).json.tasks.length;
  assertProblem(await emil.post('/api/chat', chat(), { Accept: 'text/event-stream' }), 429, 'rate_limited');
  assert.equal((await emil.get('/tasks')).json.tasks.length, before, 'nothing was accepted');

  const fred = client('fred');
  const other = await fred.submit('later', { delay_ms: 600_000 });
  const cut = new AbortController();
  assert.equal((await fred.stream(other, cut.signal)).status, 200, 'another owner has his own');
  cut.abort();

  cuts[0]?.abort();
  const again = new AbortController();
  await eventually(
    async () => {
      const response = await emil.stream(id, again.signal);
      if (response.status !== 200) await response.body?.cancel();
      return response.status;
    },
    (status) => status === 200,
  );
  // A refused submit gives its place back too.
  for (const next of [...cuts.slice(1), again]) next.abort();
  for (let i = 0; i <= STREAMS; i++) {
    await eventually(
      () => emil.post('/api/chat', { messages: [] }, { Accept: 'text/event-stream' }),
      ({ status }) => status === 400,
    );
  }
  const last = new AbortController();
  await eventually(
    async () => (await emil.stream(id, last.signal)).status,
    (status) => status === 200,
  );
  last.abort();
});

test('a request that waits takes the place of a stream; who has none left is answered at once, and the place comes back', async () => {
  const gina = client('gina');
  const follows = (count: number) =>
    eventually(
      () => followedTasks(system.url),
      (followed) => followed === count,
    );
  await follows(0);
  const later = { delay_ms: 600_000 };
  const ids: string[] = [];
  for (let i = 0; i < STREAMS; i++) ids.push(await gina.submit('later', later));
  const cuts = ids.map(() => new AbortController());
  const polls = ids.map((id, index) =>
    fetch(`${system.url}/tasks/${id}?wait=60`, {
      headers: bearer(keyOf('gina')),
      signal: cuts[index]?.signal ?? null,
    }).catch(() => undefined),
  );
  await follows(STREAMS);

  const startedAt = performance.now();
  const polled = await gina.get(`/tasks/${ids[0]}?wait=60`);
  assert.deepEqual([polled.status, polled.json.status], [200, 'scheduled']);
  const submitted = await gina.post('/api/chat', chat('later', later), { Prefer: 'wait=60' });
  assert.deepEqual([submitted.status, submitted.json.status], [202, 'scheduled']);
  assert.ok(performance.now() - startedAt < 20_000, 'neither has waited');
  assertProblem(await gina.get(`/tasks/${ids[0]}/events`), 429, 'rate_limited');

  cuts[0]?.abort();
  await follows(STREAMS - 1);
  const last = new AbortController();
  assert.equal((await gina.stream(ids[0] ?? '', last.signal)).status, 200);
  for (const cut of [...cuts, last]) cut.abort();
  await Promise.all(polls);
});

test('an owner has so many waiting tasks in a queue; another one still gets in', async () => {
  const fred = client('fred');
  const waiting = () => fred.post('/api/chat', chat('waits'));
  const answers = [];
  for (let i = 0; i < WAITING + 2; i++) answers.push(await waiting());
  const refused = answers.filter(({ status }) => status !== 202);
  assert.ok(refused.length >= 2);
  for (const answer of refused) {
    assertProblem(answer, 429, 'queue_full');
    assert.ok(Number(answer.headers.get('retry-after')) >= 1);
  }
  assert.equal((await client('ben').post('/api/chat', chat())).status, 202);
});

test('while Redis is frozen a request with a key gets its 503 within 300 ms, and nobody passes uncounted', async (t) => {
  const redis = await testRedis();
  const { url, stop } = await startInProcess({ redis, runners: 0, relays: 0, env: { ...PROMPT, API_KEYS } });
  t.after(stop);
  t.after(redis.stop);
  const ben = ownerClient(url, keyOf('ben'));
  await ben.get('/tasks');
  const machine = watchMachine(t, url);
  redis.pause();
  try {
    // A key that was just used, one that was not, and one that does not exist.
    for (const token of [keyOf('ben'), keyOf('anna'), `bl_${'0'.repeat(32)}`]) {
      const [askedAt, lateBefore] = [performance.now(), machine.lateMs()];
      const answer = await ownerClient(url, token).post('/api/chat', chat());
      const tookMs = performance.now() - askedAt;
      const lateMs = machine.lateMs() - lateBefore;
      assertProblem(answer, 503, 'unavailable');
      assert.ok(Number(answer.headers.get('retry-after')) >= 1);
      assert.ok(tookMs <= 325 + lateMs, `${tookMs} ms, of which ${lateMs} ms are the machine's`);
    }
    const reader = await ben.get('/tasks/task_1/events', { Accept: 'text/event-stream' });
    assert.deepEqual([reader.status, reader.headers.get('content-type')], [200, 'text/event-stream']);
  } finally {
    redis.resume();
  }
  await eventually(
    () => ben.get('/tasks'),
    ({ status }) => status === 200,
  );
});
