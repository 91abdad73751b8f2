/** Polling a task: what has not moved is 304, and a poll may wait for what comes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chat, events, followToEnd, getTask, post, submit } from '../../../../scripts/testing/client.ts';
import { heldTask } from '../../../../scripts/testing/held-task.ts';
import { servedChats } from '../../../../scripts/testing/served-chats.ts';

const { system, upstream } = await servedChats();

async function untilEvent(id: string, wanted: string): Promise<string> {
  for await (const event of events(system.url, id)) if (event.type === wanted) return event.id;
  throw new Error(`no ${wanted}`);
}

async function conditional(id: string, tag: string, query = '') {
  const response = await fetch(`${system.url}/tasks/${id}${query}`, { headers: { 'If-None-Match': tag } });
  return { status: response.status, etag: response.headers.get('etag'), text: await response.text() };
}

test('the ETag is the id of the last event that is not text; what has not moved is 304 without a body', async () => {
  const { id, call } = await heldTask(system.url, upstream);
  const first = await getTask(system.url, id);
  const tag = first.headers.get('etag') ?? '';
  assert.equal(tag, '"1-1"');
  call.text('some text');
  await untilEvent(id, 'text');
  const same = await conditional(id, tag);
  assert.deepEqual(same, { status: 304, etag: tag, text: '' });
  assert.equal((await conditional(id, 'W/"1-1"')).status, 304);
  assert.equal((await conditional(id, '"0-1"')).status, 200);
  assert.equal((await conditional(id, '"nonsense"')).status, 200);
  call.finish();
  const done = (await followToEnd(system.url, id)).at(-1);
  const ended = await conditional(id, tag);
  assert.equal(ended.status, 200);
  assert.equal(ended.etag, `"${done?.id}"`);
  assert.equal((await conditional(id, `"${done?.id}"`)).status, 304);
});

test('a long poll is answered at the next state change, and not by text', async () => {
  const { id, call } = await heldTask(system.url, upstream);
  await untilEvent(id, 'started');
  let answered = false;
  const byCursor = getTask(system.url, id, '?wait=30&after=1-1').finally(() => {
    answered = true;
  });
  const byTag = conditional(id, '"1-1"', '?wait=30').finally(() => {
    answered = true;
  });
  const plain = getTask(system.url, id, '?wait=30').finally(() => {
    answered = true;
  });
  for (let i = 0; i < 5; i++) {
    call.text(`piece ${i} `);
    for await (const { type, data } of events(system.url, id)) {
      if (type === 'text' && data.content.includes(`piece ${i} `)) break;
    }
  }
  assert.equal(answered, false);
  call.finish();
  for (const tag of [(await byCursor).headers.get('etag'), (await byTag).etag, (await plain).headers.get('etag')]) {
    assert.match(tag ?? '', /^"1-\d+"$/);
    assert.notEqual(tag, '"1-1"');
  }
  await followToEnd(system.url, id);
});

test('polling from state to state sees every one, to the end', async () => {
  const { json } = await post(system.url, '/tasks', {
    type: 'test.approval',
    input: { questions: ['a', 'b'], expires_in_ms: [200, 600_000], on_expiry: 'resume' },
  });
  const states: string[] = [];
  for (let after = '0-0', over = false; !over; ) {
    const polled = await getTask(system.url, json.task_id, `?wait=30&after=${after}`);
    const next = (polled.headers.get('etag') ?? '').replaceAll('"', '');
    assert.notEqual(next, after);
    after = next;
    states.push(polled.json.status);
    if (polled.json.approval?.tool === 'b') await post(system.url, polled.json.urls.cancel, '');
    over = polled.json.ended_at !== null;
  }
  assert.deepEqual(states.slice(-2), ['input_required', 'cancelled']);
});

test('a poll answers at once when the task has moved on, and when it has ended', async () => {
  const { id, call } = await heldTask(system.url, upstream);
  await untilEvent(id, 'started');
  const moved = await getTask(system.url, id, '?wait=60&after=0-1');
  assert.equal(moved.json.status, 'in_progress');
  call.text('x');
  call.finish();
  const last = (await followToEnd(system.url, id)).at(-1);
  const idleId = await submit(system.url, chat('idle', { delay_ms: 600_000 }));
  const idle = getTask(system.url, idleId, '?wait=60');
  for (const query of ['?wait=60', `?wait=60&after=${last?.id}`, '?wait=60&after=999-999', '?wait=60&after=0-0']) {
    // Before a poll that waits longest on a task of which nothing comes.
    const answer = await Promise.race([getTask(system.url, id, query), idle]);
    assert.equal(answer.json.task_id, id, query);
    assert.equal(answer.json.status, 'completed');
  }
  await post(system.url, `/tasks/${idleId}/cancel`, '');
  assert.equal((await idle).json.status, 'cancelled');
});

test('a poll whose time is up answers with the task as it is, or 304 when a tag was given', async () => {
  const { id, call } = await heldTask(system.url, upstream);
  await untilEvent(id, 'started');
  const [plain, tagged] = await Promise.all([getTask(system.url, id, '?wait=1'), conditional(id, '"1-1"', '?wait=1')]);
  assert.equal(plain.status, 200);
  assert.equal(plain.json.status, 'in_progress');
  assert.equal(tagged.status, 304);
  call.text('at last');
  call.finish();
});
