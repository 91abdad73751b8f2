import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { timeOf } from '@beanline/shared/task-id.ts';
import { chat, events, followToEnd, getTask, post, submit } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { ask, assertProblem, badPaths, longPast } from '../../../../scripts/testing/raw.ts';
import { startUpstream, type Upstream } from '../../../../scripts/testing/upstream.ts';

let system: InProcess;
let upstream: Upstream;
/** Ids by what became of them, and all of them, newest first. */
const ids: Record<'completed' | 'failed' | 'scheduled' | 'asking', string[]> = {
  completed: [],
  failed: [],
  scheduled: [],
  asking: [],
};
let newestFirst: string[] = [];
before(async () => {
  upstream = await startUpstream((call) => {
    if (call.body.messages[0]?.content === 'fail') return call.refuse(400);
    call.text('ok');
    call.finish();
  });
  system = await startInProcess({ env: upstream.env });
  assert.deepEqual(await page(''), { tasks: [], next_cursor: null });
  for (let i = 0; i < 4; i++) {
    ids.completed.push(await submit(system.url, chat('ok', { metadata: { number: String(i) } })));
    ids.scheduled.push(await submit(system.url, chat('later', { delay_ms: 600_000 })));
    ids.failed.push(await submit(system.url, chat('fail')));
    ids.asking.push(
      await submit(
        system.url,
        { type: 'test.approval', input: { questions: ['a'], expires_in_ms: 600_000 } },
        '/tasks',
      ),
    );
  }
  for (const id of [...ids.completed, ...ids.failed]) await followToEnd(system.url, id);
  for (const id of ids.asking)
    for await (const { type } of events(system.url, id)) if (type === 'human_approval') break;
  newestFirst = Object.values(ids).flat().sort().reverse();
});
after(async () => {
  await system.stop();
  await upstream.stop();
});

type Page = { tasks: { task_id: string; [field: string]: unknown }[]; next_cursor: string | null };

async function page(query: string): Promise<Page> {
  const response = await fetch(`${system.url}/tasks${query}`);
  assert.equal(response.status, 200);
  return (await response.json()) as Page;
}

/** All ids of a list, page by page. Pages but the last may be short; none is longer than asked. */
async function walk(query: string, limit: number): Promise<string[]> {
  const found: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const after: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const { tasks, next_cursor }: Page = await page(`?limit=${limit}${query}${after}`);
    assert.ok(tasks.length <= limit);
    found.push(...tasks.map(({ task_id }) => task_id));
    cursor = next_cursor;
  }
  return found;
}

test('the list is newest first, whole, each task as it reads alone but without its output', async () => {
  const { tasks, next_cursor } = await page('');
  assert.equal(next_cursor, null);
  assert.deepEqual(
    tasks.map(({ task_id }) => task_id),
    newestFirst,
  );
  for (const listed of tasks) {
    const { output, ...alone } = (await getTask(system.url, listed.task_id)).json;
    assert.deepEqual(listed, alone);
  }
});

test('walking by cursor gives every task once, whatever the page size', async () => {
  for (const limit of [1, 3, 4, 15, 16, 17, 200]) assert.deepEqual(await walk('', limit), newestFirst, `${limit}`);
});

test('tasks made while one walks do not disturb the walk', async () => {
  const first = await page('?limit=10');
  await longPast(timeOf(newestFirst[0] ?? '') ?? 0);
  const late = await submit(system.url, chat('later', { delay_ms: 600_000 }));
  const rest = await page(`?limit=200&cursor=${first.next_cursor}`);
  assert.deepEqual(
    [...first.tasks, ...rest.tasks].map(({ task_id }) => task_id),
    newestFirst,
  );
  assert.equal((await page('?limit=1')).tasks[0]?.task_id, late);
  newestFirst.unshift(late);
  ids.scheduled.push(late);
});

test('filters by status and by type hold, alone and together, page by page', async () => {
  const newest = (...some: string[][]) => some.flat().sort().reverse();
  for (const limit of [1, 3, 200]) {
    for (const [query, expected] of [
      ['&status=completed', newest(ids.completed)],
      ['&status=failed', newest(ids.failed)],
      ['&status=scheduled', newest(ids.scheduled)],
      ['&status=queued', []],
      ['&status=input_required', newest(ids.asking)],
      ['&type=test.approval', newest(ids.asking)],
      ['&type=chat.request', newest(ids.completed, ids.failed, ids.scheduled)],
      ['&type=chat.request&status=failed', newest(ids.failed)],
      ['&type=test.approval&status=failed', []],
      ['&type=test.once', []],
    ] as const) {
      assert.deepEqual(await walk(query, limit), expected, `${query} by ${limit}`);
    }
  }
});

test('a filter, limit or cursor that is none is refused by name', async () => {
  for (const [query, path] of [
    ['?limit=0', 'limit'],
    ['?limit=201', 'limit'],
    ['?limit=-1', 'limit'],
    ['?limit=ten', 'limit'],
    ['?status=done', 'status'],
    ['?status=', 'status'],
    ['?type=chat', 'type'],
    ['?cursor=task_1', 'cursor'],
    ['?cursor=', 'cursor'],
    ['?cursor=%00', 'cursor'],
    ['?cursor=task_zzzzzzzzzzzzzzzzzzzzzzzzz', 'cursor'],
  ] as const) {
    const answer = await ask(`${system.url}/tasks${query}`);
    assertProblem(answer, 400, 'invalid_request');
    assert.deepEqual(badPaths(answer), [path], query);
  }
});

test('a cancelled task moves between filters at once', async () => {
  const id = ids.scheduled[0] ?? '';
  await post(system.url, `/tasks/${id}/cancel`, '');
  assert.ok((await walk('&status=cancelled', 50)).includes(id));
  assert.ok(!(await walk('&status=scheduled', 50)).includes(id));
});

test('a list by a pair of the metadata, by times of creation and by a status has exactly the tasks that match them all', async () => {
  const all = (await page('?limit=200')).tasks;
  const of = (query: string) => walk(`&${query}`, 3);
  const [third = ''] = ids.completed.slice(2);
  assert.deepEqual(await of('metadata.number=2'), [third]);
  assert.deepEqual(await of('metadata.number=2&status=failed'), []);
  assert.deepEqual(await of('metadata.other=2'), []);
  assert.deepEqual(await of('metadata.__proto__=2'), []);
  const created_at = all.find(({ task_id }) => task_id === third)?.created_at;
  const time = encodeURIComponent(String(created_at));
  const at = all.filter((task) => String(task.created_at) >= String(created_at)).map(({ task_id }) => task_id);
  assert.deepEqual(await of(`created_after=${time}`), at);
  const before = all.filter((task) => String(task.created_at) < String(created_at)).map(({ task_id }) => task_id);
  assert.deepEqual(await of(`created_before=${time}`), before);
  assert.deepEqual(await of(`created_after=${time}&created_before=${time}`), []);
  assertProblem(await ask(`${system.url}/tasks?created_after=yesterday`), 400, 'invalid_request');
  assertProblem(await ask(`${system.url}/tasks?metadata.a=1&metadata.a=2`), 400, 'invalid_request');
});
