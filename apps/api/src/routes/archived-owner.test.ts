/** Whose an archived task is, and what is told of one that was purged. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { leftRedis, SHORT_RETENTION } from '../../../../scripts/testing/archived.ts';
import { chat } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { comparable, ownerClient } from '../../../../scripts/testing/owners.ts';
import { assertProblem } from '../../../../scripts/testing/raw.ts';
import { storeOf } from '../../../../scripts/testing/store.ts';
import { taskRequests, UNKNOWN_TASK } from '../../../../scripts/testing/task-requests.ts';

const ANNA = 'anna-key-0123456789';
const BEN = 'ben-key-0123456789';

let system: InProcess;
let anna: ReturnType<typeof ownerClient>;
let ben: ReturnType<typeof ownerClient>;
let archived = '';
let purged = '';
before(async () => {
  system = await startInProcess({ env: { ...SHORT_RETENTION, API_KEYS: `anna:${ANNA}, ben:${BEN}` } });
  anna = ownerClient(system.url, ANNA);
  ben = ownerClient(system.url, BEN);
  const end = async (headers = {}) =>
    (await anna.post('/api/chat', chat(), { Prefer: 'wait=30', ...headers })).json.task_id as string;
  purged = await end({ 'Idempotency-Key': 'purged' });
  await leftRedis(system, [purged]);
  const store = storeOf(system);
  assert.equal(await store.tasks.purge(Date.now() + 60_000, 10), 1);
  await store.close();
  archived = await end({ 'Idempotency-Key': 'archived' });
  await leftRedis(system, [archived]);
});
after(() => system.stop());

describe("another owner's task in the store, or purged from it, answers as one that does not exist, in the same bytes:", () => {
  for (const [method, suffix, headers, body] of taskRequests) {
    test(`${method} /tasks/<id>${suffix} ${JSON.stringify(headers)}`, async () => {
      const ask = (id: string) => ben.call(method, `/tasks/${id}${suffix}`, headers, body);
      const unknown = await ask(UNKNOWN_TASK);
      if (method !== 'HEAD') assertProblem(unknown, 404, 'not_found');
      for (const id of [archived, purged]) assert.equal(comparable(await ask(id)), comparable(unknown));
      assert.equal((await anna.get(`/tasks/${archived}`)).json.status, 'completed');
    });
  }
});

describe('a purged task answers 410 to its owner:', () => {
  for (const [method, suffix, headers, body] of taskRequests) {
    test(`${method} /tasks/<id>${suffix} ${JSON.stringify(headers)}`, async () => {
      const answer = await anna.call(method, `/tasks/${purged}${suffix}`, headers, body);
      if (method === 'HEAD') assert.equal(answer.status, 410);
      else assertProblem(answer, 410, 'gone');
    });
  }
});

test('lists hold the own tasks only, and none that was purged', async () => {
  const ids = async (client: typeof anna, query = '') =>
    (await client.get(`/tasks${query}`)).json.tasks.map(({ task_id }: { task_id: string }) => task_id);
  assert.deepEqual(await ids(anna), [archived]);
  for (const query of ['', '?status=completed', '?type=chat.request', `?cursor=${archived}`]) {
    assert.deepEqual(await ids(ben, query), []);
  }
});

test('a submit with the Idempotency-Key of an archived task is answered with it, in every form; of a purged one with 410', async () => {
  const send = (key: string, headers = {}) => anna.post('/api/chat', chat(), { 'Idempotency-Key': key, ...headers });
  const plain = await send('archived');
  assert.deepEqual([plain.status, plain.json.task_id, plain.json.status], [202, archived, 'completed']);
  assert.equal(plain.headers.get('idempotency-replayed'), 'true');
  const task = (await anna.get(`/tasks/${archived}`)).text;
  const waited = await send('archived', { Prefer: 'wait=5' });
  assert.deepEqual([waited.status, waited.text], [200, task]);
  const streamed = await send('archived', { Accept: 'text/event-stream' });
  assert.equal(streamed.text, (await anna.get(`/tasks/${archived}/events`)).text);
  for (const headers of [{}, { Prefer: 'wait=5' }, { Accept: 'text/event-stream' }]) {
    assertProblem(await send('purged', headers), 410, 'gone');
  }
});
