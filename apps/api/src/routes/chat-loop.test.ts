/** A chat loop as everybody writes it: the output of a task is appended to the messages of the next one, as it is. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ChatOutput } from '@beanline/shared/jobs/chat/chat-output.ts';
import { chat, post } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { assertProblem, badPaths } from '../../../../scripts/testing/raw.ts';
import { sessionClient } from '../../../../scripts/testing/session-client.ts';
import { slowWords, startUpstream, type Upstream } from '../../../../scripts/testing/upstream.ts';

let system: InProcess;
let upstream: Upstream;
before(async () => {
  upstream = await startUpstream(slowWords(3, 0));
  system = await startInProcess({ env: upstream.env });
});
after(async () => {
  await system.stop();
  await upstream.stop();
});

const WAIT = { Prefer: 'wait=30' };
const TURNS = 12;

/** What the fields are that an output may hold beside those of a message. */
const OUTPUT_FIELDS = Object.keys(ChatOutput.shape).filter((name) => !['role', 'content', 'tool_calls'].includes(name));

for (const model of ['builtin/extract', 'openai/some-model', 'nowhere/some-model']) {
  test(`a loop that appends each output works for many turns, with ${model}`, async () => {
    const messages: unknown[] = [];
    for (let turn = 0; turn < TURNS; turn++) {
      messages.push({ role: 'user', content: `Turn ${turn}: the bean is green.` });
      const { status, json, text } = await post(
        system.url,
        '/api/chat',
        { model, messages, cache: turn % 2 === 0 },
        WAIT,
      );
      assert.deepEqual([status, json.status], [200, 'completed'], text);
      messages.push(json.output);
    }
    const viaTasks = { type: 'chat.request', input: { model, messages } };
    assert.equal((await post(system.url, '/tasks', viaTasks, WAIT)).json.status, 'completed');
  });
}

test('the model is sent the role and the content of a message, and nothing else of an output', async () => {
  const number = upstream.calls.length + 1;
  const output = Object.fromEntries(OUTPUT_FIELDS.map((name) => [name, { any: ['thing', null] }]));
  const answer = { role: 'assistant', content: 'yes?' };
  const messages = [...chat('first').messages, { ...answer, ...output }, ...chat('second').messages];
  assert.equal((await post(system.url, '/api/chat', { model: 'openai/m', messages }, WAIT)).status, 200);
  const { body } = await upstream.call(number);
  assert.deepEqual(body.messages, [...chat('first').messages, answer, ...chat('second').messages]);
});

test('a request is the same with and without what is ignored', async () => {
  const key = { 'Idempotency-Key': 'loop' };
  const messages = (more: object) => [{ role: 'assistant', content: 'hello', ...more }, ...chat('x').messages];
  const first = await post(system.url, '/api/chat', { messages: messages({ model: 'm', finish_reason: 'stop' }) }, key);
  const second = await post(system.url, '/api/chat', { messages: messages({}) }, key);
  assert.equal(second.json.task_id, first.json.task_id);
});

test('a field that no output has is refused, as everywhere', async () => {
  const messages = [{ role: 'assistant', content: 'x', model: 'm', tokens: 1 }];
  const answer = await post(system.url, '/api/chat', { messages });
  assertProblem(answer, 400, 'invalid_request');
  assert.deepEqual(badPaths(answer), ['messages[0].tokens']);
});

test('an output is a message of a session too, and says there which model said it', async () => {
  const sessions = sessionClient(system.url, {});
  const id = await sessions.create({});
  const { json } = await post(system.url, '/api/chat', chat('The bean is green.'), WAIT);
  const said = await post(system.url, `/api/chat/sessions/${id}/messages`, json.output);
  assert.equal(said.status, 201, said.text);
  assert.deepEqual([said.json.message.content, said.json.message.model], [json.output.content, json.output.model]);
});
