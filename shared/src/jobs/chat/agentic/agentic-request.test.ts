/** A run in both modes: its events, its output, and what becomes of a model that promises tools and talks nonsense. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  chat,
  checkEnded,
  followToEnd,
  getTask,
  post,
  submit,
  visibleText,
} from '../../../../../scripts/testing/client.ts';
import { startInProcess } from '../../../../../scripts/testing/in-process.ts';
import { linesOf } from '../../../../../scripts/testing/lines-of.ts';
import { assertProblem, badPaths } from '../../../../../scripts/testing/raw.ts';
import { type ScriptedTurn, scriptedTurns, USAGE } from '../../../../../scripts/testing/scripted-turns.ts';
import { call, servedAgents } from '../../../../../scripts/testing/served-agents.ts';

const { system, upstream, newFile } = await servedAgents();

const QUESTION = 'What is 2 + 3, and what is known?';

/** A run of these turns, to its end. */
async function ran(turns: ScriptedTurn[], more: Record<string, unknown> = {}) {
  upstream.answer = scriptedTurns(turns);
  const first = upstream.calls.length;
  const id = await submit(system.url, chat(QUESTION, more), '/api/chat/agentic');
  const seen = await followToEnd(system.url, id);
  await checkEnded(system.url, id, seen);
  const { status, output, error, usage } = seen.at(-1)?.data ?? {};
  if (status === 'completed') assert.equal(visibleText(seen), output.content);
  /** What the model was told in its last turn, by role. */
  const sent = upstream.calls.slice(first).map(({ body }) => body);
  const told = (sent.at(-1)?.messages ?? [])
    .filter(({ role }) => role === 'tool')
    .map(({ content }) => String(content));
  return {
    id,
    seen /** Pieces of one text are one. */,
    types: seen.map(({ type }) => type).filter((type, index, all) => type !== 'text' || all[index - 1] !== 'text'),
    status,
    output,
    error,
    usage,
    sent,
    told,
  };
}
const pairs = (results: { tool: string; status: string }[]) => results.map(({ tool, status }) => [tool, status]);

test('the model calls tools, is told what they gave, and answers; every step is an event', async () => {
  const { types, output, usage, sent, told, seen } = await ran([
    { text: 'Let me see. ', calls: [call('calculator', { expression: '2+3' })] },
    { calls: [call('look', { found: 'nothing' })] },
    { text: 'It is 5.' },
  ]);
  assert.deepEqual(types, [
    ...['queued', 'started', 'intent', 'tool_select', 'text', 'proposal', 'tool_start', 'tool_result'],
    ...['tool_start', 'text', 'text_done', 'tool_result', 'text', 'text_done', 'done'],
  ]);
  assert.equal(output.content, 'Let me see. It is 5.');
  assert.deepEqual(pairs(output.results), [
    ['calculator', 'completed'],
    ['look', 'completed'],
  ]);
  assert.deepEqual(output.results[0], {
    tool: 'calculator',
    arguments: { expression: '2+3' },
    result: { value: 5 },
    status: 'completed',
  });
  assert.deepEqual([output.success, output.mode, output.steps, output.tool_count], [true, 'loop', 3, 2]);
  assert.deepEqual([output.model, output.provider, output.finish_reason], ['test', 'openai', 'stop']);
  assert.deepEqual([usage.input_tokens, usage.output_tokens], [3 * USAGE.prompt_tokens, 3 * USAGE.completion_tokens]);
  assert.ok(sent.every(({ tools }) => (tools as unknown[]).length > 3));
  assert.match(told[0] ?? '', /<outside [0-9a-f]+ source="tool calculator">\n\{"value":5\}/);
  assert.deepEqual(seen.find(({ type }) => type === 'proposal')?.data.pipeline, ['calculator']);
});

test('calls that make no sense go back to the model; the second one of a tool is a result too', async () => {
  const { output, told, types, seen } = await ran([
    { calls: [call('teleport', {}), call('calculator', 'no JSON'), call('calculator', { sum: 5 })] },
    { calls: [call('teleport', { to: 'Mars' })] },
    { text: 'I cannot.' },
  ]);
  assert.match(told[0] ?? '', /^Error: There is no tool teleport\. There are: .*calculator/);
  assert.match(told[1] ?? '', /^Error: The arguments are not JSON/);
  assert.match(
    told[2] ?? '',
    /^Error: The arguments of calculator are not valid: expression: is required; sum: unknown field/,
  );
  assert.deepEqual(pairs(output.results), [
    ['calculator', 'error'],
    ['teleport', 'error'],
  ]);
  assert.deepEqual([output.success, output.content], [false, 'I cannot.']);
  // Nothing that could be run was proposed but the calculator.
  assert.equal(types.filter((type) => type === 'tool_start').length, 0);
  const proposed = seen.filter(({ type }) => type === 'proposal').map(({ data }) => data.pipeline);
  assert.deepEqual(proposed, [['calculator', 'calculator']]);
});

test('text and calls together, twenty at once: sixteen are made, five at a time, each told apart by its index', async () => {
  const many = Array.from({ length: 20 }, (_, index) => call('look', { found: `thing ${index}` }));
  const { output, seen, told } = await ran([{ text: 'All of them. ', calls: many }, { text: 'Done.' }], {
    parallel: true,
  });
  assert.equal(output.results.length, 16);
  assert.deepEqual(
    output.results.map(({ result }: { result: { found: string } }) => result.found),
    many.slice(0, 16).map((one) => (one.arguments as { found: string }).found),
  );
  const starts = seen.filter(({ type }) => type === 'tool_start').map(({ data }) => data.index);
  assert.deepEqual(
    starts,
    Array.from({ length: 16 }, (_, index) => index),
  );
  assert.equal(told.length, 20);
  assert.match(told[19] ?? '', /at most 16 calls/);
});

test('the same call again and again is told so, then the run ends with what it has', async () => {
  const same = { calls: [call('look', { found: 'again' })] };
  const { output, told } = await ran([{ ...same, text: 'Hm. ' }, same, same, same, same, same]);
  assert.deepEqual([output.finish_reason, output.tool_count, output.content], ['limit', 2, 'Hm. ']);
  assert.match(told.at(-1) ?? '', /made twice before/);
});

test('a run ends at its limits with what it has, and no error', async () => {
  const turns = Array.from({ length: 9 }, (_, index) => ({
    text: `${index} `,
    calls: [call('look', { found: `${index}` })],
  }));
  const steps = await ran(turns, { max_steps: 3 });
  assert.deepEqual([steps.status, steps.output.finish_reason, steps.output.steps], ['completed', 'limit', 3]);
  assert.deepEqual([steps.output.content, steps.output.tool_count], ['0 1 2 ', 3]);
  const tokens = await ran(turns, { max_total_tokens: 2 * (USAGE.prompt_tokens + USAGE.completion_tokens) });
  assert.deepEqual([tokens.output.finish_reason, tokens.output.steps], ['limit', 2]);
});

test('a tool that fails is told, the run goes on, and nothing of the machine is shown', async () => {
  const { output, seen, told } = await ran([{ calls: [call('broken', {})] }, { text: 'It failed.' }]);
  assert.deepEqual([output.success, output.content], [false, 'It failed.']);
  assert.equal(seen.find(({ type }) => type === 'error')?.data.code, 'internal');
  assert.doesNotMatch(JSON.stringify(seen) + told.join(), /secret/);
});

test('an answer without a word ends in a typed error, and no finished step is thrown away', async () => {
  const { status, error, sent, seen } = await ran([{ calls: [call('look', { found: 'x' })] }, {}], { max_attempts: 2 });
  assert.deepEqual([status, error.code], ['failed', 'provider_busy']);
  // The first turn was paid once.
  assert.equal(sent.filter(({ messages }) => messages.every(({ role }) => role !== 'tool')).length, 1);
  assert.deepEqual(pairs(seen.at(-1)?.data.output.results), [['look', 'completed']]);
});

test('a pipeline gives each tool what was found before it, and the last one answers', async () => {
  const { types, output, sent } = await ran([{ text: 'Five, I found.' }], {
    mode: 'pipeline',
    proposal_action: 'custom_spec',
    proposal_pipeline: ['current_time', 'chat'],
    ...{ temperature: 0.3, max_tokens: 70 },
  });
  assert.deepEqual([sent[0]?.temperature, sent[0]?.max_tokens], [0.3, 70]);
  assert.deepEqual([output.mode, output.content, output.steps], ['pipeline', 'Five, I found.', 2]);
  assert.deepEqual(pairs(output.results), [
    ['current_time', 'completed'],
    ['chat', 'completed'],
  ]);
  assert.deepEqual(
    types.filter((type) => !/^tool_progress$/.test(type)),
    [
      ...['queued', 'started', 'intent', 'tool_select', 'proposal', 'tool_start', 'tool_result'],
      ...['tool_start', 'text', 'text_done', 'tool_result', 'done'],
    ],
  );
  assert.match(JSON.stringify(sent[0]?.messages), /What was found/);
});

test('a model that calls no tools gets a pipeline, and says so where the loop is asked for', async () => {
  const builtin = await ran([], { model: 'builtin/extract' });
  assert.equal(builtin.output.mode, 'pipeline');
  assert.deepEqual(pairs(builtin.output.results), [['chat', 'completed']]);
  for (const more of [{ mode: 'loop' }, { client_tools: [{ name: 'mine' }] }]) {
    const { status, error } = await ran([], { model: 'builtin/extract', ...more });
    assert.deepEqual([status, error.code], ['failed', 'provider_refused']);
    assert.match(error.message, /calls no tools/);
  }
});

test('only the tools that are named are offered; force_intent needs no finding out', async () => {
  const { sent, output, seen } = await ran([{ text: 'Hello.' }], {
    tools: ['look', 'calculator'],
    force_intent: 'code',
  });
  const names = ((sent[0]?.tools ?? []) as { function: { name: string } }[]).map((one) => one.function.name);
  assert.deepEqual(new Set(names), new Set(['look', 'calculator']));
  assert.deepEqual([output.intent.primary_intent, output.intent.confidence], ['code', 1]);
  assert.deepEqual(seen.find(({ type }) => type === 'tool_select')?.data.count, 2);
});

test('what makes no sense in a request is refused by its field', async () => {
  for (const [body, paths] of [
    [{ max_steps: 51 }, ['max_steps']],
    [{ force_intent: 'dance' }, ['force_intent']],
    [{ proposal_action: 'modified' }, ['proposal_pipeline']],
    [{ proposal_action: 'modified', proposal_pipeline: Array(7).fill('chat') }, ['proposal_pipeline']],
    [{ mode: 'pipeline', client_tools: [{ name: 'mine' }] }, ['client_tools']],
    [{ client_tools: [{ name: 'no spaces' }] }, ['client_tools[0].name']],
    [{ client_tools: [{ name: 'look' }] }, ['client_tools[0].name']],
    [{ tools: ['teleport'] }, ['tools[0]']],
    [{ tool_options: { teleport: 1 } }, ['tool_options.teleport']],
    [{ require_approval: ['teleport'] }, ['require_approval[0]']],
    [{ proposal_action: 'modified', proposal_pipeline: ['chat', 'web_search'] }, ['proposal_pipeline[1]']],
  ] as const) {
    const refused = await post(system.url, '/api/chat/agentic', chat(QUESTION, body));
    assertProblem(refused, 400, 'invalid_request');
    assert.deepEqual(badPaths(refused), paths, JSON.stringify(body));
  }
});

test('functions of the client park the run until it says what they gave', async () => {
  upstream.answer = scriptedTurns([
    {
      calls: [
        call('calculator', { expression: '1+1' }),
        { ...call('weather', { city: 'Seoul' }), id: 'call_w' },
        call('weather', 'no JSON'),
      ],
    },
    { text: 'Sunny.' },
  ]);
  const body = chat(QUESTION, {
    client_tools: [{ name: 'weather', description: 'The weather', parameters: { type: 'object' } }],
  });
  const parked = await post(system.url, '/api/chat/agentic', body, { Prefer: 'wait=30' });
  const id = parked.json.task_id;
  assert.equal(parked.json.status, 'input_required');
  const { approval } = (await (await fetch(`${system.url}/tasks/${id}`)).json()) as {
    approval: { approval_id: string; tool: string; arguments: { id: string }[]; actions: string[] };
  };
  assert.deepEqual([approval.tool, approval.actions], ['client_tools', ['results', 'cancel']]);
  const ids = approval.arguments.map((one) => one.id);
  assert.equal(ids[0], 'call_w');
  const path = `/tasks/${id}/approvals/${approval.approval_id}`;
  const results = [
    { id: 'call_w', content: '21 °C' },
    { id: ids[1], content: 'no such city', is_error: true },
  ];
  const lacking = await post(system.url, path, { action: 'results', results: results.slice(1) });
  assert.deepEqual(badPaths(lacking), ['results']);
  const strange = await post(system.url, path, {
    action: 'results',
    results: [...results, { id: 'other', content: '' }],
  });
  assert.deepEqual(badPaths(strange), ['results[2].id']);
  const done = await post(system.url, path, { action: 'results', results }, { Prefer: 'wait=30' });
  assert.deepEqual(pairs(done.json.output.results), [
    ['calculator', 'completed'],
    ['weather', 'completed'],
    ['weather', 'error'],
  ]);
  assert.equal(done.json.output.content, 'Sunny.');
  const told = upstream.calls
    .at(-1)
    ?.body.messages.filter(({ role }) => role === 'tool')
    .map(({ content }) => String(content));
  assert.match(told?.[1] ?? '', /<outside [0-9a-f]+ source="tool weather">\n21 °C/);
  assert.match(told?.[2] ?? '', /^Error: no such city/);
});

test('a conversation that fills the model is summed up, once, and goes on', async () => {
  const long = 'word '.repeat(3_000);
  const TURNS = 9;
  let turns = 0;
  upstream.answer = (one) => {
    if (String(one.body.messages[0]?.content).startsWith('Sum up')) {
      one.text('All was looked up.');
      return one.finish({ usage: USAGE });
    }
    const turn = turns++ < TURNS ? { calls: [call('look', { found: `${turns} ${long}` })] } : { text: 'Done.' };
    return scriptedTurns([turn])(one);
  };
  const id = await submit(system.url, chat(QUESTION), '/api/chat/agentic');
  const seen = await followToEnd(system.url, id);
  const { status, output } = seen.at(-1)?.data ?? {};
  assert.deepEqual([status, output.content, output.tool_count], ['completed', 'Done.', 9]);
  assert.ok(seen.some(({ type, data }) => type === 'progress' && data.step === 'compacting'));
  const last = JSON.stringify(upstream.calls.at(-1)?.body.messages);
  assert.match(last, /All was looked up/);
  assert.ok(last.includes(QUESTION));
});

test('an effect comes about once for each call, and a session keeps the turn', async () => {
  const file = newFile();
  const created = await post(system.url, '/api/chat/sessions', {});
  const session_id = created.json.session.id ?? created.json.session.session_id;
  const { output } = await ran(
    [{ calls: [call('send', { to: 'ben', file }), call('put', { to: 'ben', file })] }, { text: 'Sent.' }],
    { session_id },
  );
  assert.equal(output.success, true);
  assert.deepEqual(linesOf(file), ['ben', 'put ben']);
  const messages = await fetch(`${system.url}/api/chat/sessions/${session_id}/messages`).then(
    (answer) => answer.json() as Promise<{ messages: { role: string; content: string }[] }>,
  );
  assert.deepEqual(
    messages.messages.map(({ role, content }) => [role, content]),
    [
      ['user', QUESTION],
      ['assistant', 'Sent.'],
    ],
  );
});

test('a run of the same session waits for the one before it, or is said to it', async () => {
  const created = await post(system.url, '/api/chat/sessions', {});
  const { session_id } = created.json.session;
  const mayEnd = Promise.withResolvers<void>();
  upstream.answer = async (one) => {
    if (upstream.calls.at(-1) === one) await mayEnd.promise;
    scriptedTurns([{ text: 'Heard.' }])(one);
  };
  const number = upstream.calls.length + 1;
  const first = await submit(system.url, chat('Begin.', { session_id }), '/api/chat/agentic');
  await upstream.call(number);
  const second = await post(system.url, '/api/chat/agentic', chat('In French!', { session_id, on_busy: 'steer' }));
  assert.deepEqual([second.status, second.json.task_id], [202, first]);
  const third = await submit(system.url, chat('And then?', { session_id }), '/api/chat/agentic');
  mayEnd.resolve();
  const seen = await followToEnd(system.url, first);
  assert.ok(seen.some(({ type }) => type === 'steered'));
  const { output } = seen.at(-1)?.data ?? {};
  assert.equal(output.content, 'Heard.Heard.');
  await followToEnd(system.url, third);
  const [before, behind] = await Promise.all([first, third].map((id) => getTask(system.url, id)));
  assert.ok(Date.parse(behind?.json.started_at) >= Date.parse(before?.json.ended_at));
  // What was said to it is in the session, in its place.
  assert.deepEqual(output.heard, ['In French!']);
  const { messages } = (await fetch(`${system.url}/api/chat/sessions/${session_id}/messages`).then((one) =>
    one.json(),
  )) as {
    messages: { role: string; content: string }[];
  };
  assert.deepEqual(
    messages.slice(0, 3).map(({ role, content }: { role: string; content: string }) => [role, content]),
    [
      ['user', 'Begin.'],
      ['user', 'In French!'],
      ['assistant', 'Heard.Heard.'],
    ],
  );
  // The output is a message as it stands.
  const next = { messages: [...chat('Begin.').messages, output, ...chat('And now?').messages] };
  assert.equal((await post(system.url, '/api/chat', next, { Prefer: 'wait=30' })).status, 200);
});

test('what is too much to be kept ends the run with what it has', async (t) => {
  const small = await startInProcess({ env: { ...upstream.env, MAX_STEP_BYTES: '2000', MAX_STEPS_BYTES: '6000' } });
  t.after(() => small.stop());
  const long = 'word '.repeat(500);
  const large: ScriptedTurn[] = [{ text: long, calls: [call('look', { found: 'x' })] }];
  const many: ScriptedTurn[] = [1, 2, 3, 4, 5].map((number) => ({
    text: `${number} `,
    calls: [call('look', { found: `${number}${'x'.repeat(700)}` })],
  }));
  // A turn that is too large, and steps that are together.
  for (const { turns, content } of [
    { turns: large, content: long },
    { turns: many, content: '1 2 3 ' },
  ]) {
    upstream.answer = scriptedTurns([...turns, { text: 'Never.' }]);
    const id = await submit(small.url, chat(QUESTION), '/api/chat/agentic');
    const seen = await followToEnd(small.url, id);
    const { status, output } = seen.at(-1)?.data ?? {};
    assert.deepEqual([status, output.finish_reason, output.content], ['completed', 'limit', content]);
    assert.equal(visibleText(seen), content);
  }
});

test('a run whose time is nearly over ends with what it has: in a turn, in a tool, and where a model is slow to understand', async () => {
  const begin = (more: Record<string, unknown>, asked = QUESTION) =>
    submit(system.url, chat(asked, { timeout_ms: 5_000, ...more }), '/api/chat/agentic');
  const end = async (id: string) => {
    const seen = await followToEnd(system.url, id);
    const { status, output } = seen.at(-1)?.data ?? {};
    assert.deepEqual([status, output.finish_reason, output.content], ['completed', 'limit', visibleText(seen)]);
    return output;
  };
  // A model that goes on for ever, and one that is asked by a tool.
  upstream.answer = (one) => one.text('Well. ');
  const [turn, tool, slow] = await Promise.all([
    begin({}),
    begin({ mode: 'pipeline', tools: ['chat'], force_intent: 'chat' }),
    // The rules are not sure, so a model is asked first.
    begin({ mode: 'pipeline', tools: ['chat'] }, 'Plan it.'),
  ]);
  assert.equal((await end(turn)).content, 'Well. ');
  const { results, success, content } = await end(tool);
  assert.deepEqual([results.length, success, content], [1, false, 'Well. ']);
  assert.equal((await end(slow)).content, 'Well. ');
  assert.match(
    JSON.stringify(upstream.calls.map(({ body }) => body.messages)),
    /Say what a user's message wants.*Plan it/,
  );
});

test('a message to a pipeline is heard by the next tool, and one at its end is answered once more', async () => {
  const mayEnd = Promise.withResolvers<void>();
  const first = upstream.calls.length + 1;
  upstream.answer = async (one) => {
    if (one.number === first) await mayEnd.promise;
    one.text(`Answer ${one.number - first}. `);
    one.finish({ usage: USAGE });
  };
  const wanted = { proposal_action: 'custom_spec', proposal_pipeline: ['chat', 'chat'] };
  const id = await submit(system.url, chat(QUESTION, wanted), '/api/chat/agentic');
  await upstream.call(first);
  await post(system.url, `/tasks/${id}/messages`, { content: 'In French!' });
  await post(system.url, `/tasks/${id}/messages`, { content: 'And shorter.', mode: 'follow_up' });
  mayEnd.resolve();
  const seen = await followToEnd(system.url, id);
  const { status, output } = seen.at(-1)?.data ?? {};
  assert.deepEqual([status, output.content, output.steps], ['completed', 'Answer 1. Answer 2. ', 3]);
  assert.deepEqual([visibleText(seen), output.heard], [output.content, ['In French!', 'And shorter.']]);
  assert.match(JSON.stringify(upstream.calls[first]?.body.messages), /In French!/);
  assert.match(JSON.stringify(upstream.calls.at(-1)?.body.messages), /And shorter\./);
});

test('a pipeline that ends with a tool that says nothing gives its value as the answer', async () => {
  const { json } = await post(
    system.url,
    '/api/chat/agentic',
    { messages: [{ role: 'user', content: '12 * 12' }], proposal_pipeline: ['calculator'] },
    { Prefer: 'wait=30' },
  );
  assert.deepEqual([json.output.content, json.output.results[0].result], ['144', { value: 144 }]);
});
