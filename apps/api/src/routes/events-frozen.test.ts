/** Readers that come while Redis is frozen. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventSource } from 'eventsource';
import { chat, followToEnd, submit } from '../../../../scripts/testing/client.ts';
import { startInProcess } from '../../../../scripts/testing/in-process.ts';
import { eventually } from '../../../../scripts/testing/raw.ts';
import { PROMPT } from '../../../../scripts/testing/system.ts';
import { testRedis } from '../../../../scripts/testing/test-redis.ts';
import { startUpstream } from '../../../../scripts/testing/upstream.ts';

test('an EventSource that comes while Redis is frozen is asked to come back and gets everything; other clients get 503', async (t) => {
  const upstream = await startUpstream((call) => {
    call.text('whole');
    call.finish();
  });
  t.after(upstream.stop);
  const redis = await testRedis();
  const system = await startInProcess({ redis, env: { ...upstream.env, ...PROMPT } });
  t.after(system.stop);
  t.after(redis.stop);
  const id = await submit(system.url, chat('frozen'));
  const log = await followToEnd(system.url, id);
  redis.pause();
  const url = `${system.url}/tasks/${id}/events`;
  await eventually(
    () => fetch(`${system.url}/readyz`),
    ({ status }) => status === 503,
  );
  assert.equal((await fetch(url)).status, 503);
  const asked = await fetch(url, { headers: { Accept: 'text/event-stream' } });
  assert.deepEqual([asked.status, asked.headers.get('content-type')], [200, 'text/event-stream']);
  assert.match(await asked.text(), /^retry: [1-5]\d{3}\n\n$/);

  const source = new EventSource(url);
  const done = Promise.withResolvers<void>();
  const ids: string[] = [];
  for (const type of ['queued', 'started', 'text', 'text_done', 'done']) {
    source.addEventListener(type, (event) => ids.push(event.lastEventId));
  }
  source.addEventListener('done', () => done.resolve());
  source.addEventListener('error', () => redis.resume(), { once: true });
  await done.promise;
  source.close();
  assert.deepEqual(
    ids,
    log.map((event) => event.id),
  );
});
