/** Readers of tasks that leave Redis at that moment: none misses anything, repeats anything, or is told that a task is not there. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { inRedis, leftRedis, SHORT_RETENTION } from '../../../../scripts/testing/archived.ts';
import { chat, events, followToEnd, getTask, post, submit, visibleText } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { ask, rawGet } from '../../../../scripts/testing/raw.ts';
import { numberedWords, slowWords, startUpstream, type Upstream } from '../../../../scripts/testing/upstream.ts';

let system: InProcess;
let upstream: Upstream;
before(async () => {
  upstream = await startUpstream(slowWords(20, 2));
  system = await startInProcess({ relays: 2, env: { ...upstream.env, ...SHORT_RETENTION, SWEEP_INTERVAL_MS: '50' } });
});
after(async () => {
  await system.stop();
  await upstream.stop();
});

const path = (rest: string) => `${system.url}/tasks${rest}`;

test('a task and its events read the same while it moves, at every moment', async (t) => {
  const ids = await Promise.all(Array.from({ length: 10 }, () => submit(system.url)));
  for (const id of ids) await followToEnd(system.url, id);
  let reads = 0;
  let isGone = false;
  const gone = leftRedis(system, ids).finally(() => {
    isGone = true;
  });
  await Promise.all(
    ids.map(async (id) => {
      const [task, log] = [await ask(path(`/${id}`)), await ask(path(`/${id}/events`))];
      assert.equal(task.status, 200);
      const isSame = async () => {
        const [again, stream] = await Promise.all([ask(path(`/${id}`)), ask(path(`/${id}/events`))]);
        assert.deepEqual([again.status, again.text], [200, task.text]);
        assert.deepEqual([stream.status, stream.text], [200, log.text]);
        reads++;
      };
      while (!isGone) await isSame();
      await isSame();
    }),
  );
  await gone;
  t.diagnostic(`${reads} times`);
});

test('who follows, comes back and comes late sees every event once, although the task leaves Redis meanwhile', async () => {
  const ids = await Promise.all(Array.from({ length: 10 }, () => submit(system.url)));
  await Promise.all(
    ids.flatMap((id) =>
      [1, 2, 5, 1_000].map(async (dropEvery) => {
        const seen = await followToEnd(system.url, id, { dropEvery });
        assert.equal(visibleText(seen), numberedWords(20).join(''));
        await leftRedis(system, [id]);
        assert.deepEqual(await followToEnd(system.url, id, { dropEvery }), seen);
      }),
    ),
  );
});

test('a stream that its reader takes slowly ends whole, though its task left Redis in the middle', async () => {
  const words = numberedWords(30_000).map((word) => word.repeat(20));
  upstream.answer = (call) => {
    for (const word of words) call.text(word);
    call.finish();
  };
  const called = upstream.call(upstream.calls.length + 1);
  const id = await submit(system.url);
  await called;
  upstream.answer = slowWords(20, 2);
  await followToEnd(system.url, id);
  // To HTTP 1.0 the connection ends with the answer.
  const reader = rawGet(system.apis[0]?.port ?? 0, `/tasks/${id}/events`, {}, '1.0');
  reader.socket.pause();
  await leftRedis(system, [id]);
  reader.socket.resume();
  const text = await reader.ended;
  assert.match(text, /event: done\n/);
  assert.equal(text.match(/^event: (queued|started|done)$/gm)?.length, 3);
  assert.equal(text.match(/^id: (.*)$/gm)?.length, new Set(text.match(/^id: (.*)$/gm)).size);
  reader.close();
});

test('who waits for a task is told of its end also when it has left Redis before it is read', async () => {
  const ids = await Promise.all(Array.from({ length: 20 }, () => submit(system.url)));
  const wait = (id: string, after: string) => ask(path(`/${id}?wait=30&after=${after}`));
  const begun = await Promise.all(ids.map((id) => wait(id, '0-1')));
  await leftRedis(system, ids);
  const ended = await Promise.all(begun.map(({ json }) => wait(json.task_id, json.last_event_id)));
  for (const { status, json } of ended) assert.deepEqual([status, json.status], [200, 'completed']);
  const later = await post(system.url, '/api/chat', chat('x', { delay_ms: 600_000 }));
  const waiting = ask(path(`/${later.json.task_id}?wait=30`));
  await post(system.url, `/tasks/${later.json.task_id}/cancel`, '');
  assert.equal((await waiting).json.status, 'cancelled');
});

test('a walk through the list sees every task once while tasks end, move and are made', async (t) => {
  const all = new Set<string>();
  let over = false;
  const maker = (async () => {
    while (!over) {
      const made = await Promise.all(Array.from({ length: 5 }, () => submit(system.url)));
      for (const id of made) all.add(id);
      for (const id of made) await followToEnd(system.url, id);
    }
  })();
  const queries = ['', '&status=completed', '&type=chat.request', '&type=chat.request&status=completed'];
  let walks = 0;
  try {
    for (const deadline = performance.now() + 6_000; performance.now() < deadline; walks++) {
      const query = queries[walks % queries.length] ?? '';
      // What has ended when the walk begins must be in it.
      const ended: string[] = [];
      for (const id of all) if ((await getTask(system.url, id)).json.status === 'completed') ended.push(id);
      const seen: string[] = [];
      for (let cursor = ''; ; ) {
        const limit = 1 + Math.floor(Math.random() * 20);
        const { status, json } = await ask(path(`?limit=${limit}${query}${cursor && `&cursor=${cursor}`}`));
        assert.equal(status, 200);
        assert.ok(json.tasks.length <= limit && json.incomplete === undefined);
        seen.push(...json.tasks.map(({ task_id }: { task_id: string }) => task_id));
        cursor = json.next_cursor;
        if (cursor === null) break;
      }
      assert.deepEqual(seen, [...seen].sort().reverse(), 'newest first');
      assert.equal(new Set(seen).size, seen.length, 'none twice');
      assert.deepEqual(
        ended.filter((id) => !seen.includes(id)),
        [],
      );
    }
  } finally {
    over = true;
    await maker;
  }
  t.diagnostic(`${walks} walks through up to ${all.size} tasks`);
});

test('an open task stays in Redis, however many ended ones leave', async () => {
  const open = await submit(
    system.url,
    { type: 'test.approval', input: { questions: ['a'], expires_in_ms: 600_000 } },
    '/tasks',
  );
  for await (const { type } of events(system.url, open)) if (type === 'human_approval') break;
  const ended = await submit(system.url);
  await leftRedis(system, [ended]);
  assert.deepEqual(await inRedis(system, [open]), [open]);
  const { json } = await ask(path('?status=input_required'));
  assert.deepEqual(
    json.tasks.map(({ task_id }: { task_id: string }) => task_id),
    [open],
  );
});
