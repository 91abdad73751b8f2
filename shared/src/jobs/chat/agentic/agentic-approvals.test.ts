/** Approvals of a run: what a person lets happen happens once, as it was shown; what is not let happen does not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chat, events, followToEnd, post, submit, visibleText } from '../../../../../scripts/testing/client.ts';
import { linesOf } from '../../../../../scripts/testing/lines-of.ts';
import { assertProblem, badPaths } from '../../../../../scripts/testing/raw.ts';
import { type ScriptedTurn, scriptedTurns } from '../../../../../scripts/testing/scripted-turns.ts';
import { call, servedAgents } from '../../../../../scripts/testing/served-agents.ts';

const { system, upstream, newFile } = await servedAgents();

const told = () =>
  upstream.calls
    .at(-1)
    ?.body.messages.filter(({ role }) => role === 'tool')
    .map(({ content }) => String(content)) ?? [];

type Question = { approval_id: string; tool: string; arguments: unknown; arguments_hash: string };

/** The question that a task asks now. */
async function question(id: string) {
  const parked = await fetch(`${system.url}/tasks/${id}`);
  const { approval, status } = (await parked.json()) as { status: string; approval?: Question };
  assert.ok(approval, `the task is ${status}`);
  return { ...approval, path: `/tasks/${id}/approvals/${approval.approval_id}` };
}

/** A run that has been parked. */
async function parked(turns: ScriptedTurn[], more: Record<string, unknown> = {}) {
  upstream.answer = scriptedTurns(turns);
  const answer = await post(system.url, '/api/chat/agentic', chat('Send it.', more), { Prefer: 'wait=30' });
  assert.equal(answer.json.status, 'input_required');
  const id = answer.json.task_id as string;
  return { id, ...(await question(id)) };
}
const answer = (path: string, body: unknown) => post(system.url, path, body, { Prefer: 'wait=30' });

test('what a person approves is run, exactly and once; results before it and its text are in the answer', async () => {
  const file = newFile();
  const {
    id,
    path,
    tool,
    arguments: shown,
  } = await parked([
    {
      text: 'First this. ',
      calls: [call('calculator', { expression: '1+1' }), call('send', { to: 'vip anna', file })],
    },
    { text: 'Sent.' },
  ]);
  assert.deepEqual([tool, shown], ['send', { to: 'vip anna', file }]);
  assert.deepEqual(linesOf(file), []);
  const { json } = await answer(path, { action: 'run' });
  assert.deepEqual([json.status, json.output.content, json.output.success], ['completed', 'First this. Sent.', true]);
  assert.deepEqual(
    json.output.results.map((one: { tool: string }) => one.tool),
    ['calculator', 'send'],
  );
  assert.deepEqual(linesOf(file), ['vip anna']);
  const seen = await followToEnd(system.url, id);
  assert.equal(visibleText(seen), json.output.content);
  // What was shown before the question is not shown again.
  assert.equal(seen.filter(({ type, data }) => type === 'tool_result' && data.tool === 'calculator').length, 1);
  assert.equal(seen.filter(({ type }) => type === 'proposal').length, 1);
});

test('other arguments are checked by the schema of the tool, run, and recorded', async () => {
  const file = newFile();
  const { path, arguments_hash } = await parked([
    { calls: [call('send', { to: 'vip anna', file })] },
    { text: 'Sent.' },
  ]);
  assert.deepEqual(badPaths(await answer(path, { action: 'run', arguments: { to: '', file } })), ['arguments.to']);
  assert.deepEqual(badPaths(await answer(path, { action: 'run', arguments: { to: 'ben' } })), ['arguments.file']);
  const odd = await answer(path, { action: 'run', arguments: { to: 'ben', file, cc: 'eve' } });
  assert.deepEqual(badPaths(odd), ['arguments.cc']);
  assertProblem(await answer(path, { action: 'run', arguments_hash: 'another' }), 409, 'conflict');
  const { json } = await answer(path, { action: 'run', arguments: { to: 'ben', file }, arguments_hash });
  assert.deepEqual(json.output.results[0].arguments, { to: 'ben', file });
  assert.deepEqual(json.approvals[0].arguments, { to: 'ben', file });
  assert.deepEqual(linesOf(file), ['ben']);
});

test('after a deny the model is told that the call was NOT run, and why', async () => {
  const file = newFile();
  const { path } = await parked([{ calls: [call('send', { to: 'vip anna', file })] }, { text: 'I did not send it.' }]);
  const { json } = await answer(path, { action: 'deny', reason: 'she is away' });
  assert.deepEqual([json.output.content, json.output.success], ['I did not send it.', false]);
  assert.match(told()[0] ?? '', /^Error: This was NOT run: a person denied it\. Their reason: she is away/);
  assert.deepEqual(linesOf(file), []);
});

test('another tool is run instead, when it is one and takes the arguments', async () => {
  const file = newFile();
  const { path } = await parked([{ calls: [call('send', { to: 'vip anna', file })] }, { text: 'Put.' }]);
  assert.deepEqual(badPaths(await answer(path, { action: 'change_tool', tool: 'teleport' })), ['tool']);
  // It would be given what was shown, which it does not take.
  assert.deepEqual(badPaths(await answer(path, { action: 'change_tool', tool: 'look' })), [
    'arguments.found',
    'arguments.to',
    'arguments.file',
  ]);
  assert.deepEqual(badPaths(await answer(path, { action: 'change_tool', tool: 'put', arguments: { to: 5, file } })), [
    'arguments.to',
  ]);
  const { json } = await answer(path, { action: 'change_tool', tool: 'put', arguments: { to: 'ben', file } });
  assert.deepEqual([json.output.results[0].tool, json.output.results[0].status], ['put', 'completed']);
  assert.deepEqual(linesOf(file), ['put ben']);
});

test('two questions of one turn come one after the other; a wider answer spares the second', async () => {
  const file = newFile();
  const turns = [
    { calls: [call('send', { to: 'vip a', file }), call('look', { found: 'x' }), call('send', { to: 'vip b', file })] },
    { text: 'Sent.' },
  ];
  const first = await parked(turns, { parallel: true });
  // Its sibling that needs nobody's word has ended before.
  const before = (await fetch(`${system.url}/tasks/${first.id}`).then((one) => one.json())) as { status: string };
  assert.equal(before.status, 'input_required');
  await answer(first.path, { action: 'run' });
  const second = await question(first.id);
  assert.notEqual(second.approval_id, first.approval_id);
  await answer(second.path, { action: 'run' });
  assert.deepEqual(linesOf(file).sort(), ['vip a', 'vip b']);
  const spared = await parked(turns);
  const { json } = await answer(spared.path, { action: 'run', scope: 'tool' });
  assert.equal(json.status, 'completed');
});

test('require_approval asks before every call, or before those named', async () => {
  const turns = [
    { calls: [call('calculator', { expression: '1+1' }), call('look', { found: 'x' })] },
    { text: 'Done.' },
  ];
  const every = await parked(turns, { require_approval: true });
  assert.equal(every.tool, 'calculator');
  assert.equal((await answer(every.path, { action: 'run', scope: 'all' })).json.status, 'completed');
  const one = await parked(turns, { require_approval: ['look'] });
  assert.equal(one.tool, 'look');
});

test('a cancel keeps the results so far and says who did it; a question nobody answers expires, or the run goes on', async () => {
  const file = newFile();
  const turns = [
    { text: 'Well. ', calls: [call('look', { found: 'x' }), call('send', { to: 'vip a', file })] },
    { text: 'Not sent.' },
  ];
  const cancelled = await parked(turns);
  const { json } = await answer(cancelled.path, { action: 'cancel' });
  assert.equal(json.status, 'cancelled');
  assert.deepEqual([json.output.content, json.output.finish_reason], ['Well. ', 'incomplete']);
  assert.deepEqual([json.output.provider, json.output.steps], ['openai', 1]);
  assert.deepEqual(
    json.output.results.map((one: { tool: string }) => one.tool),
    ['look'],
  );
  assertProblem(await answer(cancelled.path, { action: 'run' }), 409, 'conflict');

  upstream.answer = scriptedTurns(turns);
  const id = await submit(
    system.url,
    chat('Send it.', { approval_timeout_ms: 1_000, on_expiry: 'resume' }),
    '/api/chat/agentic',
  );
  const end = (await followToEnd(system.url, id)).at(-1)?.data;
  assert.deepEqual([end.status, end.output.content], ['completed', 'Well. Not sent.']);
  assert.match(told().at(-1) ?? '', /NOT run: nobody approved it in time/);
  const late = await submit(system.url, chat('Send it.', { approval_timeout_ms: 1_000 }), '/api/chat/agentic');
  const expired = (await followToEnd(system.url, late)).at(-1)?.data;
  assert.deepEqual([expired.status, expired.output.results.length], ['expired', 1]);
  assert.deepEqual(linesOf(file), []);
});

test('the form of the original answers what the task asks, and is answered with the task', async () => {
  const file = newFile();
  const { id } = await parked([{ calls: [call('send', { to: 'vip a', file })] }, { text: 'Sent.' }]);
  const resume = (approval_response: unknown) =>
    post(system.url, '/api/chat/agentic', { approval_response }, { Prefer: 'wait=30' });
  assert.deepEqual(badPaths(await resume({ run_id: id, action: 'dance' })), ['approval_response.action']);
  assertProblem(await resume({ run_id: 'task_unknown', action: 'run' }), 404, 'not_found');
  for (const odd of [null, [], 'run', 5]) assert.deepEqual(badPaths(await resume(odd)), ['approval_response']);
  for (const odd of [{}, { run_id: [id] }]) assert.deepEqual(badPaths(await resume(odd)), ['approval_response.run_id']);
  const { json } = await resume({ run_id: id, action: 'run' });
  assert.deepEqual([json.task_id, json.status, json.output.content], [id, 'completed', 'Sent.']);
  assertProblem(await resume({ run_id: id, action: 'run' }), 409, 'conflict');
  assert.deepEqual(linesOf(file), ['vip a']);
});

test('a message that is sent while the run is parked is read by the next turn, once', async () => {
  const file = newFile();
  const { id, path } = await parked([{ calls: [call('send', { to: 'vip a', file })] }, { text: 'In French.' }]);
  const sent = await post(system.url, `/tasks/${id}/messages`, { content: 'Answer in French.', mode: 'steer' });
  assert.equal(sent.status, 202);
  const { json } = await answer(path, { action: 'run' });
  assert.equal(json.output.content, 'In French.');
  const users = upstream.calls
    .at(-1)
    ?.body.messages.filter(({ role }) => role === 'user')
    .map(({ content }) => content);
  assert.deepEqual(users, ['Send it.', 'Answer in French.']);
  const steered: string[] = [];
  for await (const { type, data } of events(system.url, id)) if (type === 'steered') steered.push(data.message_id);
  assert.deepEqual(steered, [sent.json.message_id]);
});

test('a tool that asks a person in the midst of it parks the run, and goes on with the answer', async () => {
  const {
    id,
    path,
    tool,
    arguments: shown,
  } = await parked([{ calls: [call('asks', { what: 'dance' })] }, { text: 'It is done.' }]);
  assert.deepEqual([tool, shown], ['do_it', { what: 'dance' }]);
  const { json } = await answer(path, { action: 'run' });
  assert.deepEqual([json.status, json.output.results[0].result], ['completed', { answer: 'run dance' }]);
  const texts = (await followToEnd(system.url, id)).filter(({ type, data }) => type === 'text' && data.tool === 'asks');
  assert.deepEqual(
    texts.map(({ data }) => data.content),
    ['may I dance? '],
  );
  assert.match(told()[0] ?? '', /run dance/);
});
