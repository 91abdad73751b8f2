/** Reads of sessions are cached, and nobody can tell but by the time it takes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { timeOf } from '@beanline/shared/task-id.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { ask, assertProblem, longPast } from '../../../../scripts/testing/raw.ts';
import { SESSIONS, sessionClient } from '../../../../scripts/testing/session-client.ts';

let system: InProcess;
let one: ReturnType<typeof sessionClient>;
let two: ReturnType<typeof sessionClient>;
before(async () => {
  system = await startInProcess({ apis: 2, runners: 0, relays: 0 });
  [one, two] = system.apis.map(({ url }) => sessionClient(url)) as [typeof one, typeof two];
});
after(() => system.stop());

const hit = (answer: { headers: Headers }) => answer.headers.get('x-cache');
async function caches(): Promise<{ hits: number; misses: number }> {
  const all = await Promise.all(system.apis.map(async ({ url }) => (await ask(`${url}/readyz`)).json.caches.sessions));
  return { hits: all[0].hits + all[1].hits, misses: all[0].misses + all[1].misses };
}

test('what one API has read is cached for the other, and told as a hit', async () => {
  const id = await one.create({ title: 'cached' });
  await one.say(id, 'hello');
  for (const path of [`/${id}`, '', '?query=hello', '?sort_by=total_tokens']) {
    const first = await one.get(path);
    const second = await two.get(path);
    assert.deepEqual([hit(first), hit(second)], ['miss', 'hit'], path);
    assert.equal(second.text, first.text);
  }
  for (const path of [`/${id}/messages`, `/${id}/messages?limit=1`, `/${id}/summary`]) {
    assert.equal(hit(await two.get(path)), 'hit', path);
  }
  assert.equal(hit(await two.get(`/${id}/messages?limit=51`)), 'miss', 'more than is cached');
});

test('what is written through one API is read at once through the other: titles, messages, new and deleted sessions', async () => {
  const id = await one.create({ title: '0' });
  for (let i = 1; i <= 20; i++) {
    const [writer, reader] = i % 2 ? [one, two] : [two, one];
    await reader.get(`/${id}`);
    await reader.get('?limit=1');
    const renamed = await writer.call('PATCH', `${SESSIONS}/${id}/title`, { title: String(i) });
    assert.equal(renamed.status, 204, renamed.text);
    const message = await writer.say(id, `said ${i}`);
    const { session } = (await reader.get(`/${id}`)).json;
    assert.deepEqual([session.title, session.message_count, session.messages.at(-1).content], [`${i}`, i, `said ${i}`]);
    const [listed] = (await reader.get('?limit=1')).json.sessions;
    assert.deepEqual([listed.session_id, listed.title, listed.message_count], [id, `${i}`, i]);
    const { messages } = (await reader.get(`/${id}/messages?limit=1`)).json;
    assert.equal(messages[0].content, `said ${i}`);
    await longPast(timeOf(message) ?? 0);
  }
  const { total } = (await two.get()).json;
  const made = await one.create();
  assert.equal((await two.get()).json.total, total + 1);
  assert.equal(hit(await two.get(`/${made}`)), 'miss');
  assert.equal(hit(await two.get(`/${made}`)), 'hit');
  assert.equal((await one.call('DELETE', `${SESSIONS}/${made}`)).status, 204);
  assertProblem(await two.get(`/${made}`), 404, 'not_found');
  assertProblem(await two.get(`/${made}/messages`), 404, 'not_found');
  assert.equal((await two.get()).json.total, total);
});

test('many readers and writers at once: no reader ever sees less than what was written before it asked', async () => {
  const id = await one.create({ title: '0' });
  let written = 0;
  let reads = 0;
  const over = new AbortController();
  const readers = [one, two, one, two].map(async (client) => {
    while (!over.signal.aborted) {
      const atLeast = written;
      const { session } = (await client.get(`/${id}`)).json;
      const [listed] = (await client.get('?limit=1')).json.sessions;
      assert.ok(session.message_count >= atLeast, `${session.message_count} of ${atLeast}`);
      assert.equal(session.messages.length, session.message_count);
      assert.ok(listed.message_count >= atLeast, `${JSON.stringify(listed)} of ${atLeast}, ${id}`);
      reads++;
    }
  });
  const writers = [one, two].map(async (client) => {
    for (let i = 0; i < 20; i++) {
      await client.say(id, 'x');
      written++;
    }
  });
  await Promise.all([Promise.all(writers).finally(() => over.abort()), ...readers]);
  assert.ok(reads > 0);
  for (const client of [one, two]) {
    assert.equal((await client.get(`/${id}`)).json.session.message_count, 40);
    assert.equal((await client.get('?limit=1')).json.sessions[0].message_count, 40);
  }
});

test('the hit rate is measured: every read is a hit but the first one after each write', async (t) => {
  const ids = await Promise.all(Array.from({ length: 10 }, () => one.create()));
  const before = await caches();
  for (const id of ids) {
    for (let i = 0; i < 10; i++) {
      assert.equal(hit(await (i % 2 ? one : two).get(`/${id}`)), i === 0 || i === 5 ? 'miss' : 'hit');
      if (i === 4) await one.say(id, 'x');
    }
  }
  const now = await caches();
  const [hits, misses] = [now.hits - before.hits, now.misses - before.misses];
  t.diagnostic(`${hits} hits, ${misses} misses: ${Math.round((100 * hits) / (hits + misses))} %`);
  assert.deepEqual([hits, misses], [80, 20]);
});
