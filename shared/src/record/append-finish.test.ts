import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { taskRedis } from '../../../scripts/testing/task-redis.ts';
import { makeTaskId } from '../task-id.ts';
import type { AttemptRef, NewEntry } from './task-verdicts.ts';

const setup = taskRedis();

const piece = (id: string, content = id): NewEntry => ({ id, type: 'text', data: JSON.stringify({ content }) });
const APPENDED = { verdict: 'appended', cancelled: false, steers: 0 };

test('append writes all its events, in order; sent twice it writes them once', async (t) => {
  const { tasks, running, twice, events, record } = setup(t);
  const { ref, lastId } = await running();
  const flush = [piece('1-2'), { id: '1-3', type: 'progress', data: '{"progress":1}' }, piece('1-4')];
  assert.deepEqual(await twice(() => tasks.append(ref, lastId, flush)), APPENDED);
  const log = await events(ref.id);
  assert.deepEqual(
    log.slice(2).map(({ id, type, text }) => ({ id, type, data: text })),
    flush,
  );
  const { last_id, last_state_id, progress } = await record(ref.id);
  assert.deepEqual([last_id, last_state_id, progress], ['1-4', '1-3', '{"progress":1}']);
});

test('a flush that repeats the one before it writes only what is new', async (t) => {
  const { tasks, running, events } = setup(t);
  const { ref, lastId } = await running();
  await tasks.append(ref, lastId, [piece('1-2'), piece('1-3')]);
  const repeat = [piece('1-2'), piece('1-3'), piece('1-4'), piece('1-5')];
  assert.deepEqual(await tasks.append(ref, lastId, repeat), APPENDED);
  const ids = (await events(ref.id)).map(({ id }) => id);
  assert.deepEqual(ids, ['0-1', '1-1', '1-2', '1-3', '1-4', '1-5']);
});

test('append says behind when the log ends before the id it continues from, and writes nothing', async (t) => {
  const { tasks, running, unchanged } = setup(t);
  const { ref } = await running();
  assert.deepEqual(await unchanged(() => tasks.append(ref, '1-7', [piece('1-8')])), { verdict: 'behind' });
});

test('append carries the cancel mark to the attempt, and still writes', async (t) => {
  const { tasks, running, twice, events } = setup(t);
  const { ref, lastId } = await running();
  await tasks.cancel(ref.id, 'anna', { nonce: randomUUID() });
  const marked = { verdict: 'appended', cancelled: true, steers: 0 };
  assert.deepEqual(await twice(() => tasks.append(ref, lastId, [piece('1-2')])), marked);
  assert.equal((await events(ref.id)).at(-1)?.id, '1-2');
});

test('finish ends the task with its last events, its output and one done; sent twice it ends once', async (t) => {
  const { tasks, running, ending, twice, events, record, redis, keys, moves } = setup(t);
  const { ref, lastId } = await running();
  const usage = { inputTokens: 12, outputTokens: 0, estimated: false };
  const options = { ...ending(lastId), entries: [piece('1-2')], usage };
  assert.equal(await twice(() => tasks.finish(ref, options)), 'finished');
  const { status, output, error, input_tokens, output_tokens, ended_by } = await record(ref.id);
  assert.deepEqual([status, output, error, ended_by], ['completed', options.output, undefined, ref.fence]);
  assert.deepEqual([input_tokens, output_tokens], ['12', '0']);
  const [text, done] = (await events(ref.id)).slice(-2);
  assert.deepEqual([text?.id, done?.id, done?.data], ['1-2', '1-3', { status: 'completed' }]);
  assert.equal(await redis.zscore(keys.open(0), ref.id), null);
  assert.deepEqual((await moves()).at(-1), 'in_progress>completed');
  const [filled] = (await tasks.readLog(ref.id, '1-2', 1)).map(({ bytes }) => /data: (.*)/.exec(String(bytes))?.[1]);
  assert.deepEqual(JSON.parse(filled ?? '').data, {
    status: 'completed',
    output: { content: 'done' },
    error: null,
    usage: { input_tokens: 12, output_tokens: 0, total_tokens: 12 },
  });
});

test('finish keeps the error and the partial output of a failed task', async (t) => {
  const { tasks, running, ending, record } = setup(t);
  const { ref, lastId } = await running();
  const error = { code: 'timed_out', message: 'too "long"' } as const;
  await tasks.finish(ref, { ...ending(lastId), status: 'failed', error });
  assert.equal((await record(ref.id)).error, JSON.stringify(error));
  assert.deepEqual((await tasks.read('anna', ref.id))?.error, error);
});

test('finish that repeats a flush whose answer was lost writes its events once', async (t) => {
  const { tasks, running, ending, events } = setup(t);
  const { ref, lastId } = await running();
  await tasks.append(ref, lastId, [piece('1-2')]);
  assert.equal(await tasks.finish(ref, { ...ending(lastId), entries: [piece('1-2'), piece('1-3')] }), 'finished');
  assert.deepEqual(
    (await events(ref.id)).map(({ id }) => id),
    ['0-1', '1-1', '1-2', '1-3', '1-4'],
  );
});

test('finish says behind when the log lost events, and the task stays open', async (t) => {
  const { tasks, running, ending, unchanged } = setup(t);
  const { ref } = await running();
  assert.equal(await unchanged(() => tasks.finish(ref, ending('1-7'))), 'behind');
});

test('a task marked cancelled may still end completed, if it finished first', async (t) => {
  const { tasks, running, ending, record } = setup(t);
  const { ref, lastId } = await running();
  await tasks.cancel(ref.id, 'anna', { nonce: randomUUID() });
  assert.equal(await tasks.finish(ref, ending(lastId)), 'finished');
  assert.equal((await record(ref.id)).status, 'completed');
});

const strangers: { who: string; of(ref: AttemptRef): AttemptRef }[] = [
  { who: 'an attempt of an earlier number', of: (ref) => ({ ...ref, attempt: ref.attempt - 1 }) },
  { who: 'an attempt with another fence', of: (ref) => ({ ...ref, fence: randomUUID() }) },
  { who: 'an attempt without a fence', of: (ref) => ({ ...ref, fence: '' }) },
  { who: 'an attempt of an unknown task', of: (ref) => ({ ...ref, id: makeTaskId(Date.now(), 0) }) },
];
for (const { who, of } of strangers) {
  test(`${who} can neither append nor release nor finish`, async (t) => {
    const { tasks, running, begin, ending, retry, unchanged } = setup(t);
    const first = await running();
    const { ref, lastId } = await begin(first.ref.id);
    const stranger = of(ref);
    const superseded = { verdict: 'superseded' };
    assert.deepEqual(await unchanged(() => tasks.append(stranger, lastId, [piece('2-2')])), superseded);
    assert.deepEqual(await unchanged(() => tasks.release(stranger, retry(lastId))), superseded);
    assert.equal(await unchanged(() => tasks.finish(stranger, ending(lastId))), 'superseded');
  });
}

test('an attempt that was superseded, parked or ended can write nothing more', async (t) => {
  const { tasks, running, begin, ending, retry, parking, unchanged } = setup(t);
  const superseded = await running();
  await begin(superseded.ref.id);
  const released = await running();
  await tasks.release(released.ref, retry(released.lastId));
  const parked = await running();
  await tasks.release(parked.ref, parking(parked.lastId));
  const cancelled = await running();
  await tasks.finishOverdue(cancelled.ref.id, { status: 'in_progress', attempt: 1 }, 'cancelled');
  for (const { ref, lastId } of [superseded, released, parked, cancelled]) {
    const append = await unchanged(() => tasks.append(ref, lastId, [piece('1-2')]));
    assert.deepEqual(append, { verdict: 'superseded' });
    assert.equal(await unchanged(() => tasks.finish(ref, ending(lastId))), 'superseded');
  }
});

test('the sweep ends what is as it saw it, once, and is superseded by whatever happened since', async (t) => {
  const { tasks, running, create, begin, twice, unchanged, record } = setup(t);
  const id = await create();
  const seen = { status: 'queued', attempt: 0 };
  const { ref } = await running();
  await begin(id);
  assert.equal(await unchanged(() => tasks.finishOverdue(id, seen, 'expired')), 'superseded');
  const stale = { status: 'in_progress', attempt: 2 };
  assert.equal(await unchanged(() => tasks.finishOverdue(ref.id, stale, 'cancelled')), 'superseded');
  assert.equal(await twice(() => tasks.finishOverdue(ref.id, { ...stale, attempt: 1 }, 'cancelled')), 'finished');
  const { status, attempt_started_at } = await record(ref.id);
  assert.deepEqual([status, attempt_started_at], ['cancelled', undefined]);
  const unknown = makeTaskId(Date.now(), 0);
  assert.equal(await unchanged(() => tasks.finishOverdue(unknown, seen, 'expired')), 'superseded');
});

test('a sweep that sees a task only after its end does not end it again', async (t) => {
  const { tasks, running, ending, unchanged } = setup(t);
  const { ref, lastId } = await running();
  await tasks.cancel(ref.id, 'anna', { nonce: randomUUID() });
  await tasks.finish(ref, ending(lastId));
  const seen = { status: 'completed', attempt: 1 };
  assert.equal(await unchanged(() => tasks.finishOverdue(ref.id, seen, 'cancelled')), 'superseded');
});
