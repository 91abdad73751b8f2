/** Answering approvals over HTTP: once, in time, what was shown, by whoever may. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readStream, visibleText } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { bearer, keyring, ownerClient } from '../../../../scripts/testing/owners.ts';
import { assertProblem, badPaths } from '../../../../scripts/testing/raw.ts';

const ANNA = 'anna-key-0123456789';
const BEN = 'ben-key-0123456789';
let system: InProcess;
let anna: ReturnType<typeof ownerClient>;
let ben: ReturnType<typeof ownerClient>;
before(async () => {
  system = await startInProcess({ env: { API_KEYS: `anna:${ANNA}, ben:${BEN}` } });
  anna = ownerClient(system.url, ANNA);
  ben = ownerClient(system.url, BEN);
});
after(() => system.stop());

/** All events of a task of Anna's, to its end. */
const follow = async (id: string) => Array.fromAsync(readStream(await anna.stream(id)));

type Input = { questions: string[]; expires_in_ms?: number; on_expiry?: 'expire' | 'resume' };

/** A task of Anna's that waits for an answer: its id, the question, and where it is answered. */
async function asking(input: Input) {
  const parked = await anna.post('/tasks', { type: 'test.approval', input }, { Prefer: 'wait=30' });
  assert.equal(parked.json.status, 'input_required');
  return question(parked.json.task_id);
}
async function question(id: string) {
  const { approval } = (await anna.get(`/tasks/${id}`)).json;
  return { id, approval, path: `/tasks/${id}/approvals/${approval?.approval_id}` };
}

test('an answer lets the task go on, and stands in the task with who gave it and when', async () => {
  const { id, approval, path } = await asking({ questions: ['a'] });
  assert.deepEqual(approval.actions, ['run', 'deny', 'cancel', 'change_tool']);
  const answered = await anna.post(path, { action: 'deny', reason: 'not today' });
  assert.deepEqual([answered.status, answered.json.task_id, answered.json.status], [202, id, 'queued']);
  assert.equal(answered.headers.get('location'), `/tasks/${id}`);
  await follow(id);
  const { status, output, approvals } = (await anna.get(`/tasks/${id}`)).json;
  assert.deepEqual([status, output], ['completed', { answers: ['deny'] }]);
  const [{ answered_at, ...entry }, ...others] = approvals;
  assert.deepEqual(entry, {
    approval_id: approval.approval_id,
    ...{ action: 'deny', by: 'anna', asked: 'a', reason: 'not today' },
  });
  assert.ok(Date.parse(answered_at) > 0);
  assert.deepEqual(others, []);
});

test('the example of the document is an answer as it stands', async () => {
  const { paths } = (await anna.get('/openapi.json')).json;
  const { content } = paths['/tasks/{id}/approvals/{approval}'].post.requestBody;
  const { path } = await asking({ questions: ['a'] });
  assert.equal((await anna.post(path, content['application/json'].example)).status, 202);
});

test('an answer may be followed: from what it brought about, or to the end of the task', async () => {
  const one = await asking({ questions: ['a'] });
  const stream = await fetch(`${system.url}${one.path}`, {
    method: 'POST',
    headers: { ...bearer(ANNA), 'Content-Type': 'application/json', Accept: 'text/event-stream' },
    body: JSON.stringify({ action: 'run' }),
  });
  const seen = await Array.fromAsync(readStream(stream));
  assert.deepEqual(
    seen.map(({ type }) => type),
    ['resumed', 'started', 'text', 'done'],
  );
  const two = await asking({ questions: ['a'] });
  const waited = await anna.post(two.path, { action: 'run' }, { Prefer: 'wait=30' });
  assert.deepEqual([waited.status, waited.json.status], [200, 'completed']);
});

test('of twenty racing answers one counts, and the others are a conflict', async () => {
  const { path } = await asking({ questions: ['a'] });
  const answers = await Promise.all(Array.from({ length: 20 }, () => anna.post(path, { action: 'run' })));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [202, ...Array.from({ length: 19 }, () => 409)]);
});

test('what is answered late, again, to another question, or by another hash than was shown is a conflict', async () => {
  const { id, approval, path } = await asking({ questions: ['a', 'b'] });
  assertProblem(await anna.post(path, { action: 'run', arguments_hash: 'x' }), 409, 'conflict');
  assertProblem(await anna.post(`/tasks/${id}/approvals/appr_none`, { action: 'run' }), 409, 'conflict');
  assert.equal((await anna.post(path, { action: 'run', arguments_hash: approval.arguments_hash })).status, 202);
  for await (const { type, data } of readStream(await anna.stream(id)))
    if (type === 'human_approval' && data.tool === 'b') break;
  assertProblem(await anna.post(path, { action: 'run' }), 409, 'conflict');
  const next = await question(id);
  assert.notEqual(next.approval.approval_id, approval.approval_id);
  assert.equal((await anna.post(next.path, { action: 'run' }, { Prefer: 'wait=30' })).json.status, 'completed');
  assertProblem(await anna.post(next.path, { action: 'run' }), 409, 'conflict');
});

test('a cancel ends the whole task, keeps what it had said, and says who did it', async () => {
  const { id, path } = await asking({ questions: ['a', 'b'] });
  const cancelled = await anna.post(path, { action: 'cancel', reason: 'no more' });
  assert.deepEqual([cancelled.status, cancelled.json.status], [202, 'cancelled']);
  const { status, approvals, error } = (await anna.get(`/tasks/${id}`)).json;
  assert.deepEqual([status, error, approvals[0].action, approvals[0].by], ['cancelled', null, 'cancel', 'anna']);
  assert.equal(visibleText(await follow(id)), 'asked a ');
  assertProblem(await anna.post(path, { action: 'cancel' }), 409, 'conflict');
});

test('an answer with a wider scope stands for the questions that follow: of its tool, or all', async () => {
  const all = await asking({ questions: ['a', 'b', 'c'] });
  const done = await anna.post(all.path, { action: 'run', scope: 'all' }, { Prefer: 'wait=30' });
  assert.deepEqual([done.json.status, done.json.output.answers], ['completed', ['run', 'run', 'run']]);
  const tool = await asking({ questions: ['a', 'b'] });
  await anna.post(tool.path, { action: 'run', scope: 'tool' }, { Prefer: 'wait=30' });
  assert.equal((await question(tool.id)).approval.tool, 'b');
});

test('a bad answer is told by its field, and changes nothing', async () => {
  const { id, path } = await asking({ questions: ['a'] });
  for (const [body, paths] of [
    [{}, ['action']],
    [{ action: 'dance' }, ['action']],
    [{ action: 'deny', tool: 'b', arguments: {}, scope: 'all' }, ['tool', 'arguments', 'scope']],
    [{ action: 'change_tool' }, ['tool']],
    [{ action: 'run', scope: 'for ever' }, ['scope']],
    [{ action: 'run', more: 1 }, ['more']],
  ] as const) {
    const refused = await anna.post(path, body);
    assertProblem(refused, 400, 'invalid_request');
    assert.deepEqual(badPaths(refused), paths);
  }
  assert.equal((await question(id)).path, path);
});

test('functions of the client are answered by what they gave, and by nothing else', async () => {
  const { path } = await asking({ questions: ['functions'] });
  const results = [{ id: 'call_1', content: '21°', is_error: false }];
  for (const [body, paths] of [
    [{ action: 'run' }, ['action']],
    [{ action: 'results' }, ['results']],
    [{ action: 'results', results: [] }, ['results']],
    [{ action: 'results', results: [{ id: 'other', content: '' }] }, ['results[0].id']],
    [{ action: 'cancel', results }, ['results']],
  ] as const) {
    const refused = await anna.post(path, body);
    assertProblem(refused, 400, 'invalid_request');
    assert.deepEqual(badPaths(refused), paths);
  }
  const done = await anna.post(path, { action: 'results', results }, { Prefer: 'wait=30' });
  assert.deepEqual(done.json.output, { answers: [JSON.stringify(results)] });
});

test('the task of another owner answers as one that does not exist, and a key that may not submit answers nothing', async () => {
  const { path, id } = await asking({ questions: ['a'] });
  const foreign = await ben.post(path, { action: 'run' });
  assertProblem(foreign, 404, 'not_found');
  const keys = keyring(system.redis.url, system.prefix);
  const { token } = await keys.create('anna', { scopes: ['read'] });
  keys.close();
  assertProblem(await ownerClient(system.url, token).post(path, { action: 'run' }), 403, 'forbidden');
  assert.equal((await question(id)).path, path);
});

test('a task whose question nobody answered in time goes on with that, where it was asked so', async () => {
  const goesOn = await asking({ questions: ['a'], expires_in_ms: 1, on_expiry: 'resume' });
  await follow(goesOn.id);
  const { output, approvals } = (await anna.get(`/tasks/${goesOn.id}`)).json;
  assert.deepEqual([output.answers, approvals[0].action, approvals[0].by], [['expired'], 'expired', 'deadline']);
  assertProblem(await anna.post(goesOn.path, { action: 'run' }), 409, 'conflict');
});
