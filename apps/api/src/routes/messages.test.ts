/** Messages to a task over HTTP: who may send them, until when, how much; and that each of them is heard once, or refused. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readStream } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { ownerClient } from '../../../../scripts/testing/owners.ts';
import { assertProblem, badPaths } from '../../../../scripts/testing/raw.ts';

const ANNA = 'anna-key-0123456789';
let system: InProcess;
let anna: ReturnType<typeof ownerClient>;
before(async () => {
  system = await startInProcess({
    env: { API_KEYS: `anna:${ANNA}`, MAX_TASK_MESSAGES: '30', MAX_MESSAGE_BYTES: '65536' },
  });
  anna = ownerClient(system.url, ANNA);
});
after(() => system.stop());

const follow = async (id: string) => Array.fromAsync(readStream(await anna.stream(id)));
const submit = async (body: object): Promise<string> => (await anna.post('/tasks', body)).json.task_id;
const turns = (more: object = {}) => submit({ type: 'test.turns', input: {}, ...more });
const send = (id: string, content: unknown, mode?: string, headers?: Record<string, string>) =>
  anna.post(`/tasks/${id}/messages`, { content, ...(mode === undefined ? {} : { mode }) }, headers);

type Turn = { heard: string[]; knew: number };
/** What the task has heard, in order. Each turn knew of all that was heard before it. */
async function heardBy(id: string): Promise<string[]> {
  const { output, status } = (await anna.get(`/tasks/${id}`)).json;
  assert.equal(status, 'completed');
  const heard: string[] = [];
  for (const turn of output.turns as Turn[]) {
    heard.push(...turn.heard);
    assert.equal(turn.knew, heard.length);
  }
  return heard;
}

test('messages to a task that waits for its turn, runs or waits for a person are accepted, and refused after its end', async () => {
  const waiting = await turns({ delay_ms: 600_000 });
  const first = await send(waiting, 'hello');
  assert.deepEqual([first.status, first.json.mode, first.json.task_id], [202, 'steer', waiting]);
  assert.match(first.json.message_id, /^msg_/);
  assert.equal((await anna.get(`/tasks/${waiting}`)).json.unread_messages, 1);
  await anna.post(`/tasks/${waiting}/cancel`, {});
  assertProblem(await send(waiting, 'hello'), 409, 'conflict');
  const events = await follow(waiting);
  assert.equal(events.at(-1)?.data.unread_messages, 1);

  const running = await turns();
  await send(running, 'after all else', 'follow_up');
  await send(running, 'end');
  const seen = await follow(running);
  assert.deepEqual(await heardBy(running), ['end', 'after all else']);
  assert.deepEqual(
    seen.filter(({ type }) => type === 'steered').map(({ data }) => data.mode),
    ['steer', 'follow_up'],
  );
  assert.equal('unread_messages' in (await anna.get(`/tasks/${running}`)).json, false);
  assertProblem(await send(running, 'late'), 409, 'conflict');
});

test('a task of a type that takes none says so', async () => {
  const id = await submit({
    type: 'chat.request',
    input: { messages: [{ role: 'user', content: 'x' }] },
    delay_ms: 60_000,
  });
  const refused = await send(id, 'hello');
  assertProblem(refused, 409, 'conflict');
  assert.match(refused.json.detail, /chat\.request takes no messages/);
});

test('twenty racing senders are each heard once, or told that it is too late', async () => {
  const id = await turns();
  const names = Array.from({ length: 20 }, (_, n) => (n === 10 ? 'end' : `m${n}`));
  const replies = await Promise.all(
    names.map((name, n) =>
      send(id, name, n % 3 === 0 ? 'follow_up' : 'steer', n % 2 ? { 'Idempotency-Key': name } : {}),
    ),
  );
  await follow(id);
  const accepted = names.filter((_, n) => replies[n]?.status === 202);
  for (const { status } of replies) assert.ok(status === 202 || status === 409);
  assert.ok(accepted.includes('end'));
  assert.deepEqual((await heardBy(id)).toSorted(), accepted.toSorted());
});

test('a repeat with its Idempotency-Key is the same message, and without one another', async () => {
  const id = await turns();
  const key = { 'Idempotency-Key': 'k' };
  const first = await send(id, 'once', 'steer', key);
  const again = await send(id, 'once', 'steer', key);
  assert.deepEqual([again.status, again.json], [202, first.json]);
  assert.equal(again.headers.get('idempotency-replayed'), 'true');
  assertProblem(await send(id, 'other', 'steer', key), 422, 'idempotency_conflict');
  await send(id, 'twice');
  await send(id, 'twice');
  await send(id, 'end');
  await follow(id);
  assert.deepEqual((await heardBy(id)).toSorted(), ['end', 'once', 'twice', 'twice']);
  assert.equal((await send(id, 'once', 'steer', key)).status, 202);
});

test('what is no message is named field by field', async () => {
  const id = await turns({ delay_ms: 600_000 });
  for (const [body, paths] of [
    [{}, ['content']],
    [{ content: '' }, ['content']],
    [{ content: 'x'.repeat(32_769) }, ['content']],
    [{ content: [] }, ['content']],
    [{ content: [{ type: 'text', text: 'x'.repeat(70_000) }] }, ['content']],
    [{ content: [{ type: 'text' }] }, ['content[0].text']],
    [{ content: 'x', mode: 'shout' }, ['mode']],
    [{ content: 'x', role: 'system' }, ['role']],
  ] as const) {
    assert.deepEqual(badPaths(await anna.post(`/tasks/${id}/messages`, body)), paths);
  }
  assert.deepEqual(badPaths(await send(id, 'x', 'steer', { 'Idempotency-Key': 'a b' })), ['Idempotency-Key']);
  assert.equal((await send(id, 'x'.repeat(32_768))).status, 202);
});

test('a task that was sent too much takes no more', async () => {
  const id = await turns({ delay_ms: 600_000 });
  for (let n = 0; n < 30; n++) assert.equal((await send(id, `${n}`)).status, 202);
  const refused = await send(id, 'x');
  assertProblem(refused, 429, 'queue_full');
  assert.match(refused.json.detail, /messages/);
});
