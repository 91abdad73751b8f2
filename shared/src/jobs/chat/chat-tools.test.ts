/** Functions of the client in a chat: its model calls them, the client gives their results, alone or in a session. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type ClientEvent, followToEnd, getTask, post, submit } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { assertProblem, badPaths } from '../../../../scripts/testing/raw.ts';
import { sessionClient } from '../../../../scripts/testing/session-client.ts';
import { startUpstream, type Upstream, type UpstreamCall } from '../../../../scripts/testing/upstream.ts';

let system: InProcess;
let upstream: Upstream;
before(async () => {
  upstream = await startUpstream(answer);
  system = await startInProcess({ env: { ...upstream.env, AUTO_TITLES: 'off', RETRY_BASE_MS: '1' } });
});
after(async () => {
  await system.stop();
  await upstream.stop();
});

const weather = {
  type: 'function',
  function: { name: 'weather', description: 'Weather of a city', parameters: { type: 'object', properties: {} } },
};
const CALLS = ['Paris', '서울'].map((city, at) => ({
  ...{ id: `call_${at}`, type: 'function' },
  function: { name: 'weather', arguments: JSON.stringify({ city }) },
}));

/** Calls the functions that it is offered, unless it has their results or is asked for words. */
function answer(call: UpstreamCall) {
  const { messages, tools } = call.body;
  const last = messages.at(-1);
  if (!tools || last?.role === 'tool' || last?.content === 'words') {
    call.text('It is sunny.');
    return call.finish();
  }
  const delta = (value: object) => call.data({ choices: [{ index: 0, delta: value, finish_reason: null }] });
  delta({ reasoning_content: 'Two cities.' });
  for (const [index, { id, type, function: called }] of CALLS.entries()) {
    delta({ tool_calls: [{ index, id, type, function: { name: called.name, arguments: '' } }] });
    for (const piece of called.arguments.match(/.{1,5}/gu) ?? [])
      delta({ tool_calls: [{ index, function: { arguments: piece } }] });
  }
  call.finish({ reason: 'tool_calls' });
}

const ask = (content = 'How is the weather?') => [{ role: 'user', content }];
const results = CALLS.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: `sunny at ${id}` }));

/** What came of a chat, and the last that its model was sent. */
async function run(body: object) {
  const id = await submit(system.url, body);
  const seen = await followToEnd(system.url, id);
  const { json } = await getTask(system.url, id);
  return { json, seen, sent: upstream.calls.at(-1)?.body };
}

/** The calls that a reader of the events puts together. */
function shown(seen: ClientEvent[]) {
  const calls: { id?: string; name?: string; arguments: string }[] = [];
  for (const { type, data } of seen.filter((frame) => frame.type === 'tool_call')) {
    assert.equal(type, 'tool_call');
    const { index, ...piece } = data;
    calls[index] = { ...piece, ...calls[index], arguments: (calls[index]?.arguments ?? '') + piece.arguments };
  }
  return calls.map(({ id, ...called }) => ({ id, type: 'function', function: called }));
}

test('a model calls functions, as it speaks and in the output; the output and results go on as messages', async () => {
  const { json, seen, sent } = await run({ messages: ask(), tools: [weather], tool_choice: 'auto', seed: 7 });
  assert.equal(json.status, 'completed', JSON.stringify(json.error));
  const { content, tool_calls, reasoning, finish_reason } = json.output;
  assert.deepEqual([content, finish_reason, reasoning], ['', 'tool_calls', 'Two cities.']);
  assert.deepEqual(tool_calls, CALLS);
  assert.deepEqual(shown(seen), CALLS);
  assert.equal(
    seen.filter(({ type }) => type === 'tool_call').length,
    4,
    'a name each, then what is short in one piece',
  );
  assert.deepEqual([sent?.tools, sent?.tool_choice, sent?.seed], [[weather], 'auto', 7]);

  const next = await run({ messages: [...ask(), json.output, ...results], tools: [weather] });
  assert.equal(next.json.output.content, 'It is sunny.');
  assert.deepEqual(next.sent?.messages, [
    ...ask(),
    { role: 'assistant', content: null, tool_calls: CALLS },
    ...results,
  ]);
});

test('calls that a broken connection cut are void with their attempt, and the next one makes them whole', async () => {
  let isBroken = false;
  upstream.answer = (call) => {
    if (isBroken) return answer(call);
    isBroken = true;
    const begun = { index: 0, id: 'cut', type: 'function', function: { name: 'weather', arguments: '{"city":"Par' } };
    call.data({ choices: [{ index: 0, delta: { tool_calls: [begun] } }] });
    call.response.write(':\n\n', () => call.response.destroy());
  };
  const { json, seen } = await run({ messages: ask(), tools: [weather] });
  upstream.answer = answer;
  assert.deepEqual([json.status, json.attempt, json.output.tool_calls], ['completed', 2, CALLS]);
  const isVoid = (attempt: number) => seen.some(({ type, attempt: of }) => type === 'retrying' && of === attempt);
  assert.deepEqual(shown(seen.filter(({ attempt }) => !isVoid(attempt))), CALLS);
  assert.ok(seen.some(({ type, attempt, data }) => type === 'tool_call' && attempt === 1 && data.id === 'cut'));
});

test('a session keeps the calls of a turn, and the results that the next one brings', async () => {
  const client = sessionClient(system.url);
  const session_id = await client.create();
  const first = await run({ session_id, messages: ask(), tools: [weather] });
  assert.deepEqual(first.json.output.tool_calls, CALLS);
  const second = await run({ session_id, messages: results, tools: [weather] });
  assert.equal(second.json.output.content, 'It is sunny.');
  const { sent } = await run({ session_id, messages: ask('words') });
  const called = { role: 'assistant', content: null, tool_calls: CALLS };
  const said = [...ask(), called, ...results, { role: 'assistant', content: 'It is sunny.' }];
  assert.deepEqual(sent?.messages, [...said, ...ask('words')]);

  const { json } = await client.get(`/${session_id}/messages`);
  const kept = json.messages.map(({ role, content, tool_calls, tool_call_id }: Record<string, unknown>) => ({
    ...{ role, content },
    ...(tool_calls ? { tool_calls } : {}),
    ...(tool_call_id ? { tool_call_id } : {}),
  }));
  assert.deepEqual(kept.slice(0, 5), [...ask(), { ...called, content: '' }, ...results, said.at(-1)]);
});

test('a session whose functions never gave anything goes on, and so does one that was given what nobody called', async () => {
  const client = sessionClient(system.url);
  const session_id = await client.create();
  await run({ session_id, messages: ask(), tools: [weather] });
  const late = await run({ session_id, messages: ask('words') });
  assert.equal(late.json.status, 'completed');
  const roles = late.sent?.messages.map(({ role }) => role);
  assert.deepEqual(roles, ['user', 'assistant', 'tool', 'tool', 'assistant', 'user']);
  await run({ session_id, messages: [{ role: 'tool', tool_call_id: 'nobody', content: 'x' }] });
  assert.equal((await run({ session_id, messages: ask('words') })).json.status, 'completed');
});

test('equal requests with other functions are not equal; an answer from the cache calls as it did', async () => {
  const body = { messages: ask('cached'), tools: [weather], cache: true };
  const first = await run(body);
  assert.equal(first.json.output.metadata.cache, 'stored');
  const calls = upstream.calls.length;
  const again = await run(body);
  assert.equal(again.json.output.metadata.cache, 'hit');
  assert.deepEqual([again.json.output.tool_calls, shown(again.seen)], [CALLS, CALLS]);
  assert.equal(upstream.calls.length, calls);
  const renamed = { ...weather, function: { ...weather.function, name: 'forecast' } };
  for (const more of [{ tools: [renamed] }, { stop: ['x'] }, { extra: { top_k: 1 } }, { tool_choice: 'required' }])
    assert.equal((await run({ ...body, ...more })).json.output.metadata.cache, 'stored', JSON.stringify(more));
  const result = [...ask('cached'), { role: 'assistant', content: null, tool_calls: CALLS }, ...results];
  assert.equal((await run({ ...body, messages: result })).json.output.metadata.cache, 'stored');
  const other = result.map((message) => ('tool_call_id' in message ? { ...message, tool_call_id: 'call_1' } : message));
  assert.equal((await run({ ...body, messages: other })).json.output.metadata.cache, 'stored');
});

describe('what does not fit together is refused by name:', () => {
  const SCHEMA = 'response_format.json_schema.schema';
  const form = (schema: object) => ({ type: 'json_schema', json_schema: { name: 'x', schema } });
  const named = (name: string) => ({ ...weather, function: { name } });
  for (const [body, paths] of [
    [{ tools: [named('a b')] }, ['tools[0].function.name']],
    [{ tools: [named('a'), named('a')] }, ['tools[1].function.name']],
    [{ tools: [{ type: 'web_search' }] }, ['tools[0].type', 'tools[0].function']],
    [
      { tools: [{ type: 'function', function: { name: 'a', parameters: { type: 'string' } } }] },
      ['tools[0].function.parameters.type'],
    ],
    [{ tool_choice: 'required' }, ['tool_choice']],
    [
      { tools: [weather], tool_choice: { type: 'function', function: { name: 'other' } } },
      ['tool_choice.function.name'],
    ],
    [{ tools: [weather], tool_choice: 'any' }, ['tool_choice']],
    [{ response_format: { type: 'xml' } }, ['response_format.type']],
    [{ response_format: { type: 'json_schema' } }, ['response_format.json_schema']],
    [{ response_format: form({ properties: { city: { type: 'strin' } } }) }, [`${SCHEMA}.properties.city.type`]],
    [{ response_format: form({ required: 'city' }) }, [`${SCHEMA}.required`]],
    [{ response_format: form({ enum: ['x'.repeat(200_000)] }) }, [SCHEMA]],
    [{ extra: { temperature: 1, stream: false, top_k: 1 } }, ['extra.stream', 'extra.temperature']],
    [{ stop: [] }, ['stop']],
    [{ seed: 0.5 }, ['seed']],
  ] as [object, string[]][]) {
    test(JSON.stringify(body).slice(0, 100), async () => {
      const refused = await post(system.url, '/api/chat', { messages: ask(), ...body });
      assertProblem(refused, 400, 'invalid_request');
      assert.deepEqual(badPaths(refused), paths);
    });
  }
});
