import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { makeTaskId } from '@beanline/shared/task-id.ts';
import { Redis } from 'ioredis';
import { chat, events, followToEnd, getTask, post, submit } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { sessionClient } from '../../../../scripts/testing/session-client.ts';
import { until as untilTrue } from '../../../../scripts/testing/until.ts';
import { startUpstream, type UpstreamCall } from '../../../../scripts/testing/upstream.ts';

/** A model that answers when it is told to, and counts who asks it at once. */
function createModel() {
  const asked: { text: string; call: UpstreamCall }[] = [];
  const waiting: { text: string; resolve(call: UpstreamCall): void }[] = [];
  let now = 0;
  const model = {
    atOnce: 0,
    /** What it was asked, in order. */
    heard: () => asked.map(({ text }) => text),
    /** False: it answers at once. */
    holds: false,
    answer(call: UpstreamCall) {
      now++;
      model.atOnce = Math.max(model.atOnce, now);
      void call.closed.then(() => now--);
      const text = String(call.body.messages.at(-1)?.content);
      asked.push({ text, call });
      for (const one of waiting.filter((other) => other.text === text)) one.resolve(call);
      call.text(`re: ${text}`);
      if (!model.holds) call.finish();
    },
    /** The call that asks this, now or when it comes. */
    call(text: string): Promise<UpstreamCall> {
      const there = asked.find((one) => one.text === text);
      if (there) return Promise.resolve(there.call);
      return new Promise((resolve) => waiting.push({ text, resolve }));
    },
  };
  return model;
}

let upstream: Awaited<ReturnType<typeof startUpstream>>;
let system: InProcess;
let redis: Redis;
let model: ReturnType<typeof createModel>;
let session: string;
before(async () => {
  upstream = await startUpstream();
  const env = { ...upstream.env, AUTO_TITLES: 'off', MAX_LINE_TASKS: '30' };
  system = await startInProcess({ apis: 2, runners: 2, env });
  redis = new Redis(system.redis.url);
});
after(async () => {
  redis.disconnect();
  await system.stop();
  await upstream.stop();
});
beforeEach(async () => {
  model = createModel();
  upstream.answer = (call) => model.answer(call);
  session = await sessionClient(system.url).create();
});

const say = (text: string, options: object, headers: Record<string, string> = {}, url = system.url) =>
  post(url, '/api/chat', chat(text, { session_id: session, ...options }), headers);

const accepted = (text: string, options: object, url = system.url): Promise<string> =>
  submit(url, chat(text, { session_id: session, ...options }));

const ended = async (id: string) => (await followToEnd(system.url, id)).at(-1)?.data.status;
async function until(id: string, type: string) {
  for await (const event of events(system.url, id)) if (event.type === type) return event;
  return assert.fail(`${id} ended without ${type}`);
}
/** Where lines have put it. */
async function placeOf(id: string): Promise<number> {
  const [key] = await redis.keys(`${system.prefix}:*:task:${id}`);
  const marks = JSON.parse((await redis.hget(key ?? '', 'marks')) ?? '{}');
  return Number(marks.line.split(' ')[1]);
}

describe('queue', () => {
  test('of twenty racers in two tabs one runs at a time, in the order in which they were accepted', async () => {
    const [one, other] = system.apis.map(({ url }) => url);
    const racers = await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        const text = `racer ${at}`;
        return { text, id: await accepted(text, { on_busy: 'queue' }, at % 2 === 0 ? one : other) };
      }),
    );
    for (const { id } of racers) assert.equal(await ended(id), 'completed');
    assert.equal(model.atOnce, 1);
    const places = await Promise.all(racers.map(async ({ text, id }) => ({ text, at: await placeOf(id) })));
    const inOrder = places.toSorted((a, b) => a.at - b.at).map(({ text }) => text);
    assert.deepEqual(model.heard(), inOrder);
  });

  test('one that waits says so, holds no worker, and goes on when the one before it has ended', async () => {
    model.holds = true;
    const first = await accepted('first', { on_busy: 'queue' });
    const call = await model.call('first');
    const second = await accepted('second', { on_busy: 'queue' });
    const { data } = await until(second, 'waiting');
    assert.equal(data.reason, 'session');
    const { json } = await getTask(system.url, second);
    assert.deepEqual([json.status, json.attempt], ['queued', 0]);
    model.holds = false;
    call.finish();
    assert.equal(await ended(first), 'completed');
    const seen = await followToEnd(system.url, second);
    assert.equal(seen.filter(({ type }) => type === 'waiting').length, 1);
    assert.deepEqual(model.heard(), ['first', 'second']);
    assert.equal(seen.at(-1)?.data.status, 'completed');
  });

  test('one that fails lets the next one go', async () => {
    upstream.answer = (call) =>
      String(call.body.messages.at(-1)?.content) === 'bad' ? call.refuse(400) : model.answer(call);
    const bad = await accepted('bad', { on_busy: 'queue' });
    const good = await accepted('good', { on_busy: 'queue' });
    assert.deepEqual([await ended(bad), await ended(good)], ['failed', 'completed']);
  });

  test('one that fails for now keeps its place', async () => {
    let refused = 0;
    upstream.answer = (call) =>
      String(call.body.messages.at(-1)?.content) === 'shaky' && refused++ === 0 ? call.refuse(500) : model.answer(call);
    const shaky = await accepted('shaky', { on_busy: 'queue' });
    const next = await accepted('next', { on_busy: 'queue' });
    assert.deepEqual([await ended(shaky), await ended(next)], ['completed', 'completed']);
    assert.deepEqual(model.heard(), ['shaky', 'next']);
  });

  test('one that is cancelled while it waits is passed over', async () => {
    model.holds = true;
    const first = await accepted('first', { on_busy: 'queue' });
    const call = await model.call('first');
    const second = await accepted('second', { on_busy: 'queue' });
    const third = await accepted('third', { on_busy: 'queue' });
    await post(system.url, `/tasks/${second}/cancel`, {});
    assert.equal(await ended(second), 'cancelled');
    model.holds = false;
    call.finish();
    assert.deepEqual([await ended(first), await ended(third)], ['completed', 'completed']);
    assert.deepEqual(model.heard(), ['first', 'third']);
  });

  test('waits for those that run in parallel and came before, and for none that came later', async () => {
    model.holds = true;
    await accepted('before', {});
    const before = await model.call('before');
    const queued = await accepted('queued', { on_busy: 'queue' });
    await until(queued, 'waiting');
    await accepted('later', { on_busy: 'parallel' });
    const later = await model.call('later');
    before.finish();
    (await model.call('queued')).finish();
    assert.equal(await ended(queued), 'completed');
    later.finish();
  });

  test('a scheduled task holds no place, and takes the last one when its time has come', async () => {
    model.holds = true;
    const later = await accepted('later', { on_busy: 'queue', delay_ms: 3_600_000 });
    const soon = await accepted('soon', { on_busy: 'queue', delay_ms: 300 });
    const first = await accepted('first', { on_busy: 'queue' });
    const call = await model.call('first');
    assert.equal((await until(soon, 'waiting')).data.reason, 'session');
    model.holds = false;
    call.finish();
    assert.deepEqual([await ended(first), await ended(soon)], ['completed', 'completed']);
    assert.deepEqual(model.heard(), ['first', 'soon']);
    assert.equal((await getTask(system.url, later)).json.status, 'scheduled');
    await post(system.url, `/tasks/${later}/cancel`, {});
  });

  test('a task that waits for a person holds no place, and goes on in its turn', async () => {
    const input = { questions: ['a'], session_id: session };
    const { json } = await post(system.url, '/tasks', { type: 'test.approval', input, on_busy: 'queue' });
    const asked = await until(json.task_id, 'human_approval');
    const next = await accepted('next', { on_busy: 'queue' });
    assert.equal(await ended(next), 'completed');
    model.holds = true;
    const running = await accepted('running', { on_busy: 'queue' });
    const call = await model.call('running');
    const path = `/tasks/${json.task_id}/approvals/${asked.data.approval_id}`;
    assert.equal((await post(system.url, path, { action: 'run' })).status, 202);
    assert.equal((await until(json.task_id, 'waiting')).data.reason, 'session');
    call.finish();
    assert.deepEqual([await ended(running), await ended(json.task_id)], ['completed', 'completed']);
  });

  test('what is in the line of a submit that never came to be is passed over', async () => {
    const line = `${system.prefix}:{s:${session}}`;
    const [waiting, turn] = [makeTaskId(Date.now() - 60_000, 0), makeTaskId(Date.now() - 60_000, 0)];
    await redis.zadd(`${line}:line`, 1, waiting);
    await redis.hset(`${line}:turn`, turn, 'turn:1:fence');
    assert.equal(await ended(await accepted('next', { on_busy: 'queue' })), 'completed');
  });

  test('when all have ended nothing is left of a line', async () => {
    const line = `${system.prefix}:{s:${session}}`;
    model.holds = true;
    const first = await accepted('first', { on_busy: 'queue' });
    await model.call('first');
    const others = [await accepted('second', { on_busy: 'queue' }), await accepted('third', {})];
    await model.call('third');
    for (const id of [...others, first]) await post(system.url, `/tasks/${id}/cancel`, {});
    for (const id of [first, ...others]) assert.equal(await ended(id), 'cancelled');
    await untilTrue('nothing is left', async () => (await redis.exists(`${line}:line`, `${line}:turn`)) === 0);
  });

  test('sessions do not wait for one another', async () => {
    model.holds = true;
    await accepted('mine', { on_busy: 'queue' });
    const mine = await model.call('mine');
    session = await sessionClient(system.url).create();
    await accepted('other', { on_busy: 'queue' });
    (await model.call('other')).finish();
    mine.finish();
  });
});

test('parallel is the default of a chat: nobody waits', async () => {
  model.holds = true;
  const tasks = [await accepted('one', {}), await accepted('two', { on_busy: 'parallel' })];
  const calls = [await model.call('one'), await model.call('two')];
  assert.equal(model.atOnce, 2);
  for (const call of calls) call.finish();
  for (const id of tasks) assert.equal(await ended(id), 'completed');
});

describe('reject', () => {
  test('is 409 while another one is to be done, and names it; then the session is free', async () => {
    model.holds = true;
    const first = await accepted('first', {});
    const call = await model.call('first');
    const { status, json } = await say('second', { on_busy: 'reject' });
    assert.deepEqual([status, json.code], [409, 'conflict']);
    assert.ok(json.detail.includes(first));
    assert.deepEqual(
      json.errors.map(({ path }: { path: string }) => path),
      ['on_busy'],
    );
    call.finish();
    assert.equal(await ended(first), 'completed');
    model.holds = false;
    assert.equal(await ended(await accepted('third', { on_busy: 'reject' })), 'completed');
  });

  test('of twenty racers one is accepted', async () => {
    model.holds = true;
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) => say(`racer ${at}`, { on_busy: 'reject' }, {}, system.apis[at % 2]?.url)),
    );
    const won = answers.filter(({ status }) => status === 202);
    assert.equal(won.length, 1);
    assert.equal(answers.filter(({ status }) => status === 409).length, 19);
    await post(system.url, `/tasks/${won[0]?.json.task_id}/cancel`, {});
  });

  test('a repeat with its Idempotency-Key is answered with the task it has made', async () => {
    model.holds = true;
    const once = { 'Idempotency-Key': `once ${session}`.replace(' ', '-') };
    const { json } = await say('once', { on_busy: 'reject' }, once);
    const call = await model.call('once');
    const again = await say('once', { on_busy: 'reject' }, once);
    assert.deepEqual([again.status, again.json.task_id], [202, json.task_id]);
    call.finish();
    assert.equal(await ended(json.task_id), 'completed');
  });
});

describe('interrupt', () => {
  test('cancels the one that runs, and goes before those that wait', async () => {
    model.holds = true;
    const running = await accepted('running', { on_busy: 'queue' });
    await model.call('running');
    const waiting = await accepted('waiting', { on_busy: 'queue' });
    await until(waiting, 'waiting');
    model.holds = false;
    const urgent = await accepted('urgent', { on_busy: 'interrupt' });
    assert.deepEqual(
      [await ended(running), await ended(urgent), await ended(waiting)],
      ['cancelled', 'completed', 'completed'],
    );
    assert.deepEqual(model.heard(), ['running', 'urgent', 'waiting']);
  });

  test('cancels those that run in parallel too', async () => {
    model.holds = true;
    const tasks = [await accepted('one', {}), await accepted('two', {})];
    for (const text of ['one', 'two']) await model.call(text);
    model.holds = false;
    const urgent = await accepted('urgent', { on_busy: 'interrupt' });
    for (const id of tasks) assert.equal(await ended(id), 'cancelled');
    assert.equal(await ended(urgent), 'completed');
  });

  test('the newest of several goes next, and an older one does not interrupt it', async () => {
    model.holds = true;
    const first = await accepted('first', { on_busy: 'queue' });
    await model.call('first');
    const [older, newer] = [
      await accepted('older', { on_busy: 'interrupt' }),
      await accepted('newer', { on_busy: 'interrupt' }),
    ];
    assert.equal(await ended(first), 'cancelled');
    for (const text of ['older', 'newer']) void model.call(text).then((call) => call.finish());
    const statuses = [await ended(older), await ended(newer)];
    assert.equal(statuses[1], 'completed');
    // It had begun when the newer one came, or it had not.
    assert.ok(['completed', 'cancelled'].includes(statuses[0] ?? ''), statuses[0]);
  });

  test('a repeat with its Idempotency-Key interrupts nobody', async () => {
    model.holds = true;
    const once = { 'Idempotency-Key': `interrupt-${session}` };
    const { json } = await say('once', { on_busy: 'interrupt' }, once);
    const call = await model.call('once');
    const again = await say('once', { on_busy: 'interrupt' }, once);
    assert.deepEqual([again.status, again.json.task_id], [202, json.task_id]);
    call.finish();
    assert.equal(await ended(json.task_id), 'completed');
  });
});

describe('steer', () => {
  /** Goes on until it hears `until`; what it says to another one is its own. */
  const turns = (until: string, options: object, headers: Record<string, string> = {}) =>
    post(system.url, '/tasks', { type: 'test.turns', input: { until, session_id: session }, ...options }, headers);
  const outputOf = async (id: string) =>
    (await getTask(system.url, id)).json.output.turns.flatMap((turn: { heard: string[] }) => turn.heard);

  test('says it to the task that is under way, which is the answer; no task is made', async () => {
    const running = (await turns('stop', { on_busy: 'queue' })).json.task_id;
    await until(running, 'started');
    const first = await turns('more', { on_busy: 'steer' });
    assert.deepEqual(
      [first.status, first.json.task_id, first.headers.get('location')],
      [202, running, `/tasks/${running}`],
    );
    assert.match(first.json.message_id, /^msg_/);
    const last = await turns('stop', { on_busy: 'steer' }, { Prefer: 'wait=60' });
    assert.deepEqual([last.status, last.json.status], [200, 'completed']);
    assert.deepEqual(await outputOf(running), ['more', 'stop']);
    const next = await turns('stop', { on_busy: 'reject' });
    assert.equal(next.status, 202);
    await until(next.json.task_id, 'started');
    await turns('stop', { on_busy: 'steer' });
    assert.equal(await ended(next.json.task_id), 'completed');
  });

  test('is a task of its own in a session that is free, and waits for one that takes no messages', async () => {
    model.holds = true;
    const deaf = await accepted('deaf', { on_busy: 'queue' });
    const call = await model.call('deaf');
    const { status, json } = await turns('stop', { on_busy: 'steer' });
    assert.deepEqual([status, json.message_id], [202, undefined]);
    assert.notEqual(json.task_id, deaf);
    assert.equal((await until(json.task_id, 'waiting')).data.reason, 'session');
    call.finish();
    await until(json.task_id, 'started');
    await turns('stop', { on_busy: 'steer' });
    assert.equal(await ended(json.task_id), 'completed');
  });

  test('under an Idempotency-Key it is said once, also when the task has ended since', async () => {
    const running = (await turns('stop', { on_busy: 'queue' })).json.task_id;
    await until(running, 'started');
    const once = { 'Idempotency-Key': `steer-${session}` };
    const first = await turns('stop', { on_busy: 'steer' }, once);
    assert.equal(await ended(running), 'completed');
    const again = await turns('stop', { on_busy: 'steer' }, once);
    assert.deepEqual([again.status, again.json.task_id, again.json.message_id], [202, running, first.json.message_id]);
    assert.equal(again.headers.get('idempotency-replayed'), 'true');
    assert.deepEqual(await outputOf(running), ['stop']);
  });

  test('a repeat of the one that became a task does not steer that task', async () => {
    const once = { 'Idempotency-Key': `task-${session}` };
    const { json } = await turns('stop', { on_busy: 'steer' }, once);
    await until(json.task_id, 'started');
    const again = await turns('stop', { on_busy: 'steer' }, once);
    assert.deepEqual([again.status, again.json.task_id, again.json.message_id], [202, json.task_id, undefined]);
    await turns('stop', { on_busy: 'steer' });
    assert.equal(await ended(json.task_id), 'completed');
    assert.deepEqual(await outputOf(json.task_id), ['stop']);
  });

  test('another message under the key of one is 422', async () => {
    const running = (await turns('stop', { on_busy: 'queue' })).json.task_id;
    await until(running, 'started');
    const once = { 'Idempotency-Key': `other-${session}` };
    await turns('one', { on_busy: 'steer' }, once);
    assert.equal((await turns('two', { on_busy: 'steer' }, once)).status, 422);
    await turns('stop', { on_busy: 'steer' });
    assert.equal(await ended(running), 'completed');
  });
});

describe('what there is no line for is refused, and the field is named', () => {
  const bad: [what: string, body: () => object, message: RegExp][] = [
    ['no session', () => chat('x', { on_busy: 'queue' }), /session_id/],
    ['no such way', () => chat('x', { session_id: session, on_busy: 'push' }), /parallel/],
    ['reject, later', () => chat('x', { session_id: session, on_busy: 'reject', delay_ms: 1_000 }), /delay_ms/],
    [
      'interrupt, later',
      () => chat('x', { session_id: session, on_busy: 'interrupt', run_at: '2100-01-01T00:00:00Z' }),
      /./,
    ],
  ];
  for (const [what, body, message] of bad)
    test(what, async () => {
      const { status, json } = await post(system.url, '/api/chat', body());
      assert.equal(status, 400);
      const field = json.errors.find(({ path }: { path: string }) => path === 'on_busy' || path === 'run_at');
      assert.match(field.message, message);
    });

  test('a background task', async () => {
    const body = { type: 'session.title', input: { session_id: session }, on_busy: 'queue' };
    const { status, json } = await post(system.url, '/tasks', body);
    assert.deepEqual([status, json.errors[0].path], [400, 'on_busy']);
  });
});

test('a background task holds no place and waits for none', async () => {
  model.holds = true;
  const first = await accepted('first', { on_busy: 'queue' });
  const call = await model.call('first');
  const title = await post(system.url, '/tasks', {
    type: 'session.summary',
    input: { session_id: session },
  });
  assert.equal(await ended(title.json.task_id), 'completed');
  call.finish();
  assert.equal(await ended(first), 'completed');
});

test('a line that is full refuses the next one, and nothing of it remains', async () => {
  model.holds = true;
  const ids = [await accepted('first', { on_busy: 'queue' })];
  await model.call('first');
  for (let at = 0; at < 30; at++) ids.push(await accepted(`more ${at}`, { on_busy: 'queue' }));
  const { status, json } = await say('too many', { on_busy: 'queue' });
  assert.deepEqual([status, json.code], [429, 'queue_full']);
  for (const id of ids) await post(system.url, `/tasks/${id}/cancel`, {});
  for (const id of ids) assert.equal(await ended(id), 'cancelled');
});

test('a retry goes into the line as its task did', async () => {
  model.holds = true;
  const first = await accepted('first', { on_busy: 'queue' });
  await model.call('first');
  await post(system.url, `/tasks/${first}/cancel`, {});
  assert.equal(await ended(first), 'cancelled');
  await accepted('second', { on_busy: 'queue' });
  const call = await model.call('second');
  const { json } = await post(system.url, `/tasks/${first}/retry`, '');
  assert.equal((await until(json.task_id, 'waiting')).data.reason, 'session');
  model.holds = false;
  call.finish();
  assert.equal(await ended(json.task_id), 'completed');
});
