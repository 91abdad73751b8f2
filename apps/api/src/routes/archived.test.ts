/** A task reads the same before and after it has left Redis for the store. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { inRedis, leftRedis, SHORT_RETENTION } from '../../../../scripts/testing/archived.ts';
import { chat, events, followToEnd, post, readStream, submit } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { ask, assertProblem, followedTasks } from '../../../../scripts/testing/raw.ts';
import { startUpstream, type Upstream, type UpstreamCall } from '../../../../scripts/testing/upstream.ts';

type Answer = Awaited<ReturnType<typeof ask>>;

let system: InProcess;
let upstream: Upstream;
/** Ids by how they ended. */
let tasks: Record<string, string> = {};
const before_ = new Map<string, Record<string, Answer>>();
let listed = '';

const tries = new Map<unknown, number>();
function answer(call: UpstreamCall) {
  const prompt = call.body.messages.at(-1)?.content;
  const number = (tries.get(prompt) ?? 0) + 1;
  tries.set(prompt, number);
  if (prompt === 'refused') return call.refuse(400);
  call.text('줄\n바꿈 "quoted" 😀 ');
  if (prompt === 'again' && number === 1) return void call.response.destroy();
  for (let i = 0; i < 200; i++) call.text(`w${i} `);
  if (prompt !== 'endless') call.finish(prompt === 'unreported' ? { usage: null } : {});
}

const url = (path = '') => `${system.url}/tasks${path}`;
const cancel = (id: string) => post(system.url, `/tasks/${id}/cancel`, '');
const whole = (text: string) => text.replaceAll(': keep-alive\n\n', '');

async function until(id: string, type: string) {
  for await (const event of events(system.url, id)) if (event.type === type) return;
}

async function endInEveryWay(): Promise<Record<string, string>> {
  const say = (content: string, more = {}) => submit(system.url, chat(content, more));
  const test = (type: string, input = {}, more = {}) => submit(system.url, { type, input, ...more }, '/tasks');
  const late = async () => {
    const past = new Date(Date.now() - 60_000).toISOString();
    const type = { type: 'test.once', input: {}, start_by: past };
    return (await post(system.url, '/tasks', type, { 'Idempotency-Key': 'late' })).json.task_id as string;
  };
  const metadata = { naïve: '한국어', constructor: 'x', 'a.b': '$where', $set: '' };
  const made = {
    completed: await say('completed', { metadata, priority: 'high' }),
    unreported: await say('unreported', { run_at: new Date(Date.now() + 50).toISOString() }),
    retried: await say('again'),
    failed: await say('refused'),
    'failed twice': await test('test.bad-output'),
    'cancelled before it began': await say('never', { delay_ms: 600_000 }),
    'cancelled while it ran': await say('endless'),
    'cancelled with progress': await test('test.once'),
    'cancelled while it waited': await test('test.approval', { questions: ['may I?'], expires_in_ms: 600_000 }),
    'expired unanswered': await test('test.approval', { questions: ['and now?'], expires_in_ms: 200 }),
    'answered by nobody': await test('test.approval', { questions: ['a'], expires_in_ms: 200, on_expiry: 'resume' }),
    'expired unstarted': await late(),
  };
  await until(made['cancelled while it ran'], 'text');
  await until(made['cancelled with progress'], 'progress');
  await until(made['cancelled while it waited'], 'human_approval');
  for (const id of Object.entries(made).flatMap(([how, id]) => (how.startsWith('cancelled') ? [id] : []))) {
    assert.equal((await cancel(id)).status, 202);
  }
  for (const id of Object.values(made)) await followToEnd(system.url, id);
  return made;
}

/** Everything that can be read of a task. */
async function readings(id: string): Promise<Record<string, Answer>> {
  const stream = { headers: { Accept: 'text/event-stream' } };
  const first = await ask(url(`/${id}`));
  const last = first.json.last_event_id;
  return {
    task: first,
    head: await ask(url(`/${id}`), { method: 'HEAD' }),
    waited: await ask(url(`/${id}?wait=5`)),
    unchanged: await ask(url(`/${id}`), { headers: { 'If-None-Match': first.headers.get('etag') ?? '' } }),
    cancelled: await cancel(id),
    events: await ask(url(`/${id}/events`), stream),
    'events after the first': await ask(url(`/${id}/events?after=0-1`), stream),
    'events after one that never was': await ask(url(`/${id}/events?after=0-99`), stream),
    'events after the last': await ask(url(`/${id}/events`), { headers: { 'Last-Event-ID': last } }),
    'events beyond the last': await ask(url(`/${id}/events?after=999-1`)),
    'head of the events': await ask(url(`/${id}/events`), { method: 'HEAD' }),
    'a bad cursor': await ask(url(`/${id}/events?after=x`)),
  };
}

/** What must not differ: all but the time and the id of the request, and the time at which a gap was made. */
function comparable(answer: Answer) {
  const varies = ['x-request-id', 'date', 'connection', 'keep-alive', 'transfer-encoding', 'content-length'];
  const headers = [...answer.headers].filter(([name]) => !varies.includes(name));
  const requestId = answer.headers.get('x-request-id') ?? '';
  const text = whole(answer.text).replaceAll(requestId, '');
  return { status: answer.status, headers, text: text.replace(/("type":"gap".*?"timestamp":")[^"]*/, '$1') };
}

before(async () => {
  upstream = await startUpstream(answer);
  system = await startInProcess({ relays: 0, env: { ...upstream.env, ...SHORT_RETENTION } });
  tasks = await endInEveryWay();
  for (const [how, id] of Object.entries(tasks)) before_.set(how, await readings(id));
  listed = (await ask(url('?limit=200'))).text;
  // Only now: without a relay nothing leaves Redis.
  await system.startRelay();
  await leftRedis(system, Object.values(tasks));
});
after(async () => {
  await system.stop();
  await upstream.stop();
});

describe('a task that has left Redis reads, byte for byte, as before:', () => {
  const ways = ['completed', 'unreported', 'retried', 'failed', 'failed twice', 'cancelled before it began'];
  const more = ['cancelled while it ran', 'cancelled with progress', 'cancelled while it waited'];
  for (const how of [...ways, ...more, 'expired unanswered', 'answered by nobody', 'expired unstarted']) {
    test(how, async () => {
      const id = tasks[how] ?? '';
      assert.deepEqual(await inRedis(system, [id]), []);
      const now = await readings(id);
      for (const [name, was] of Object.entries(before_.get(how) ?? {})) {
        assert.deepEqual(comparable(now[name] as Answer), comparable(was), name);
      }
      const { task } = now;
      assert.equal(task?.status, 200);
      const [ended] = how.split(' ');
      const status = ended === 'failed' || ended === 'cancelled' || ended === 'expired' ? ended : 'completed';
      assert.equal(task?.json.status, status);
    });
  }
});

test('the list is, byte for byte, what it was, whole and by any page', async () => {
  assert.equal((await ask(url('?limit=200'))).text, listed);
  const all: string[] = JSON.parse(listed).tasks.map(({ task_id }: { task_id: string }) => task_id);
  for (const limit of [1, 5, all.length]) {
    const seen: string[] = [];
    for (let cursor = ''; ; ) {
      const { json } = await ask(url(`?limit=${limit}${cursor && `&cursor=${cursor}`}`));
      seen.push(...json.tasks.map(({ task_id }: { task_id: string }) => task_id));
      cursor = json.next_cursor;
      if (cursor === null) break;
    }
    assert.deepEqual(seen, all);
  }
});

test('every cursor into the events gives exactly what comes after it', async () => {
  const id = tasks.retried ?? '';
  const log = await Array.fromAsync(readStream(await fetch(url(`/${id}/events`))));
  assert.ok(log.length > 5 && log.some(({ type }) => type === 'retrying'));
  for (const [index, { id: cursor }] of log.slice(0, -1).entries()) {
    const rest = await Array.fromAsync(readStream(await fetch(url(`/${id}/events?after=${cursor}`))));
    assert.deepEqual(rest, log.slice(index + 1));
  }
});

test('a retry makes a task of the same input and options', async () => {
  const id = tasks.completed ?? '';
  const answer = await post(system.url, `/tasks/${id}/retry`, '', { Prefer: 'wait=30' });
  assert.equal(answer.status, 200, answer.text);
  const { json: original } = await ask(url(`/${id}`));
  for (const name of ['type', 'metadata', 'priority', 'max_attempts', 'output']) {
    assert.deepEqual(answer.json[name], original[name], name);
  }
  assert.equal(answer.json.retry_of, id);
});

test('a task that only the store has costs Redis nothing, however often it is read and followed', async () => {
  const ids = Object.values(tasks);
  for (const id of ids) await readings(id);
  for (const id of ids) assert.equal(await system.redis.cli('--raw', 'keys', `*${id}*`), '');
  assert.equal(await followedTasks(system.url), 0);
});

test('an id that is none, and one that nobody made, are 404', async () => {
  for (const id of ['task_0', '__proto__', `task_${'0'.repeat(25)}`, '%00', `${tasks.completed}x`]) {
    for (const path of [`/${id}`, `/${id}/events`]) assertProblem(await ask(url(path)), 404, 'not_found');
  }
});
