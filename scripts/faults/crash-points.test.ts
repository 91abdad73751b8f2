/** A process dies between two writes that cannot be one: what the first began is finished by somebody else, once. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { readConfig } from '@beanline/shared/config.ts';
import { createLog } from '@beanline/shared/log.ts';
import { makeTaskId } from '@beanline/shared/task-id.ts';
import { wire } from '@beanline/shared/wire.ts';
import { chat, getTask, post, submit, visibleText } from '../testing/client.ts';
import { watchMachine } from '../testing/machine.ts';
import { eventually } from '../testing/raw.ts';
import type { Program } from '../testing/system.ts';
import { SHORT_LOCK } from '../testing/system.ts';
import { slowWords } from '../testing/upstream.ts';
import {
  checkClean,
  endlessWords,
  type Faults,
  followUntil,
  followWhole,
  startFaults,
  words,
  wordsThenSilence,
} from './checks.ts';
import { startDying as startDyingProgram } from './start-dying.ts';

let system: Faults;
let client: ReturnType<typeof wire>;
before(async () => {
  system = await startFaults({ runners: 0, env: SHORT_LOCK });
  const config = readConfig({ ...system.env, LOG_LEVEL: 'silent' });
  client = wire(config, { program: 'api', log: createLog({ level: 'silent', name: 'test' }) });
  await client.deps.clock.ready();
});
after(async () => {
  await client.close();
  await system.stop();
});

const runners: Program[] = [];
const startRunner = async () => runners.push(await system.startRunner());
afterEach(async () => {
  // While the runners live: a task has its end a moment before its job does.
  try {
    await checkClean(system);
  } finally {
    await Promise.all(runners.splice(0).map((runner) => runner.signal('SIGKILL')));
  }
});

const startDying = (name: 'api' | 'runner' | 'relay', write: string) => startDyingProgram(system, name, write);

/** The sweep must not repair what a test still wants to see. */
async function whileNobodyRepairs(work: () => Promise<void>) {
  const [relay] = system.relays;
  await relay?.signal('SIGSTOP');
  try {
    await work();
  } finally {
    await relay?.signal('SIGCONT');
  }
}

/** A chat task that a dying runner takes and leaves behind. */
async function leaveBehind(write: string, answers: Parameters<Faults['start']>[0]) {
  const dying = await startDying('runner', write);
  const task = await system.start(answers);
  await dying.died;
  return task;
}

/** The task ends as told, seen by a reader that was there all the time. */
async function ends(id: string, expected: { status: string; attempt: number; failures?: number }, text?: string) {
  const seen = await followWhole(system.url, id);
  const { json } = await getTask(system.url, id);
  assert.deepEqual(
    { status: json.status, attempt: json.attempt, failures: json.failures },
    { failures: 0, ...expected },
  );
  if (text !== undefined) assert.equal(visibleText(seen), text);
  return seen;
}

test('an input that was put down for a submit that never came goes away by itself', async () => {
  const id = makeTaskId(client.deps.clock.now(), 0);
  const key = client.keys.input(0, id);
  await client.queueRedis.set(key, '{}', 'EX', 60);
  assert.equal((await getTask(system.url, id)).status, 404);
  const left = Number(await system.redis.cli('ttl', key));
  assert.ok(left > 0 && left <= 60, `${left} s`);
  await system.redis.cli('unlink', key);
});

test('a task whose API died before its job was added is run, and a retry of the submit attaches to it', async (t) => {
  const api = await startDying('api', 'tasks.create');
  const model = system.model(slowWords(5, 0));
  const send = (url: string) => post(url, '/api/chat', chat(model.prompt), { 'Idempotency-Key': 'died-before-add' });
  await whileNobodyRepairs(async () => {
    await assert.rejects(send(api.url));
    await api.died;
    const jobs = await system.redis.everywhere('--raw', 'keys', 'bl:{chat.request}:task_*');
    assert.equal(jobs.join(''), '', 'there is no job');
  });
  const diedAt = performance.now();
  const again = await send(system.url);
  assert.deepEqual([again.status, again.headers.get('idempotency-replayed')], [202, 'true']);
  await startRunner();
  await ends(again.json.task_id, { status: 'completed', attempt: 1 }, words(5));
  t.diagnostic(`it ran ${Math.round(performance.now() - diedAt)} ms after the death`);
  assert.equal(model.calls.length, 1);
});

test('a task whose API died before it could answer is run once, and a retry of the submit attaches to it', async () => {
  await startRunner();
  const api = await startDying('api', 'queue.add');
  const model = system.model(slowWords(5, 0));
  const send = (url: string) => post(url, '/api/chat', chat(model.prompt), { 'Idempotency-Key': 'died-before-202' });
  await assert.rejects(send(api.url));
  await api.died;
  const again = await send(system.url);
  assert.deepEqual([again.status, again.headers.get('idempotency-replayed')], [202, 'true']);
  await ends(again.json.task_id, { status: 'completed', attempt: 1 }, words(5));
  assert.equal(model.calls.length, 1);
});

test('an attempt that began and did nothing more is lost: it costs a failure, and the next one answers', async () => {
  const task = await leaveBehind('tasks.begin', [slowWords(5, 0)]);
  await startRunner();
  const seen = await ends(task.id, { status: 'completed', attempt: 2, failures: 1 }, words(5));
  assert.equal(seen.find(({ type }) => type === 'retrying')?.data.reason, 'worker_lost');
  assert.equal(task.calls.length, 1);
});

test('a task that ended while its job did not is not run again', async () => {
  const task = await leaveBehind('tasks.finish', [slowWords(5, 0)]);
  await ends(task.id, { status: 'completed', attempt: 1 }, words(5));
  await startRunner();
  await checkClean(system);
  assert.equal(task.calls.length, 1);
});

test('a try that was given back while its job was not goes on elsewhere', async () => {
  const task = await leaveBehind('tasks.release', [(call) => call.refuse(500), slowWords(5, 0)]);
  await startRunner();
  await ends(task.id, { status: 'completed', attempt: 2, failures: 1 }, words(5));
  assert.equal(task.calls.length, 2);
});

test('a task that a stopping runner gave back while its job was not goes on elsewhere, without a failure', async () => {
  const dying = await startDying('runner', 'tasks.release');
  const task = await system.start([endlessWords(20), slowWords(5, 0)]);
  await followUntil(system.url, task.id, 'text');
  dying.stop();
  await dying.died;
  await startRunner();
  const seen = await ends(task.id, { status: 'completed', attempt: 2 }, words(5));
  assert.equal(seen.find(({ type }) => type === 'retrying')?.data.reason, 'shutting_down');
});

test('a queued task whose API died between the cancel and the removal of its job never runs', async () => {
  const model = system.model(slowWords(5, 0));
  const id = await submit(system.url, chat(model.prompt));
  const api = await startDying('api', 'tasks.cancel');
  await whileNobodyRepairs(async () => {
    await assert.rejects(post(api.url, `/tasks/${id}/cancel`, {}));
    await api.died;
    await ends(id, { status: 'cancelled', attempt: 0 });
    assert.equal(await system.redis.cli('exists', `bl:{chat.request}:${id}`), '1', 'its job is still there');
  });
  await startRunner();
  await checkClean(system);
  assert.equal(model.calls.length, 0);
});

test('a running task whose API died between the cancel and the hint stops all the same', async (t) => {
  await startRunner();
  const task = await system.start([wordsThenSilence(3)]);
  const call = await task.call(1);
  await followUntil(system.url, task.id, 'text');
  const api = await startDying('api', 'tasks.cancel');
  await assert.rejects(post(api.url, `/tasks/${task.id}/cancel`, {}));
  await api.died;
  const machine = watchMachine(t, system.url);
  const diedAt = performance.now();
  await call.closed;
  const tookMs = Math.round(performance.now() - diedAt);
  const machineMs = machine.stop();
  t.diagnostic(`stopped after ${tookMs} ms, machine ${machineMs} ms`);
  assert.ok(tookMs <= 1_500 + machineMs, `${tookMs} ms, of which ${machineMs} ms are the machine's`);
  await ends(task.id, { status: 'cancelled', attempt: 1 });
});

test('a task that the relay ended as overdue, dying before it removed the job, never runs', async () => {
  const [relay] = system.relays;
  await relay?.signal('SIGKILL');
  const model = system.model(slowWords(5, 0));
  const dying = await startDying('relay', 'tasks.finishOverdue');
  // Sent anew when it arrived too late, by which nothing was accepted.
  const send = () => {
    const start_by = new Date(client.deps.clock.now() + 500).toISOString();
    return post(system.url, '/api/chat', chat(model.prompt, { start_by }));
  };
  const id = (await eventually(send, ({ status }) => status === 202)).json.task_id;
  await dying.died;
  await ends(id, { status: 'expired', attempt: 0 });
  await startRunner();
  await checkClean(system);
  assert.equal(model.calls.length, 0);
});
