/** What no model should write and no run should come to: it ends with what it has, or tells the model, and never breaks. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chat, checkEnded, followToEnd, post, submit, visibleText } from '../../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../../scripts/testing/in-process.ts';
import { badPaths } from '../../../../../scripts/testing/raw.ts';
import { type ScriptedTurn, scriptedTurns, USAGE } from '../../../../../scripts/testing/scripted-turns.ts';
import { startUpstream, type Upstream, type UpstreamCall } from '../../../../../scripts/testing/upstream.ts';

let upstream: Upstream;
let system: InProcess;
/** One whose steps have as much room as everywhere. */
let roomy: InProcess;
before(async () => {
  upstream = await startUpstream();
  const env = { ...upstream.env, MAX_STEP_BYTES: '20000', MAX_STEPS_BYTES: '100000' };
  [system, roomy] = await Promise.all([startInProcess({ env }), startInProcess({ env: upstream.env })]);
});
after(async () => {
  await Promise.all([system.stop(), roomy.stop()]);
  await upstream.stop();
});

/** A run to its end, which is no failure: its text is the output's, and it was asked for so many turns. */
async function ran(turns: ScriptedTurn[] | Upstream['answer'], more: Record<string, unknown> = {}, { url } = system) {
  upstream.answer = Array.isArray(turns) ? scriptedTurns(turns) : turns;
  const from = upstream.calls.length;
  const body = chat('What is known?', { max_attempts: 1, ...more });
  const id = await submit(url, body, '/api/chat/agentic');
  const seen = await followToEnd(url, id);
  await checkEnded(url, id, seen);
  const { status, output, error, usage } = seen.at(-1)?.data ?? {};
  assert.equal(status, 'completed', JSON.stringify(error));
  assert.equal(visibleText(seen), output.content);
  const asked = upstream.calls.slice(from);
  const told = (asked.at(-1)?.body.messages ?? [])
    .filter(({ role }) => role === 'tool')
    .map(({ content }) => String(content));
  return { output, usage, told, seen, asked: asked.length };
}
const call = (name: string, given: unknown) => ({ name, arguments: given });
const look = (found: string) => call('look', { found });

/** Pieces of calls, and the end that a model gives for want of room. */
const cutCall = (one: UpstreamCall, name: string, given: string) => {
  const called = { index: 0, id: 'a', type: 'function', function: { name, arguments: given } };
  one.data({ choices: [{ index: 0, delta: { tool_calls: [called] }, finish_reason: null }] });
  one.finish({ reason: 'length', usage: USAGE });
};

test('arguments nested without end go back to the model', async () => {
  const deep = `{"found":${'['.repeat(9_000)}${']'.repeat(9_000)}}`;
  const { told } = await ran([{ calls: [call('look', deep)] }, { text: 'Well.' }]);
  assert.match(told[0] ?? '', /^Error: The arguments are nested more than 64 levels deep/);
});

test('a call without a name is none, and those beside it are made', async () => {
  const { output, told } = await ran([{ calls: [call('', {}), look('x'), call('__proto__', {})] }, { text: 'Well.' }]);
  assert.equal(output.tool_count, 1);
  assert.match(told[1] ?? '', /^Error: There is no tool __proto__/);
});

test('of an answer that had no room for more, a call that may be half of one is not made', async () => {
  for (const given of ['', '{"zone":"Asi']) {
    const { output, told } = await ran((one) => {
      if (one.body.messages.some(({ role }) => role === 'tool')) return scriptedTurns([{ text: 'Well.' }])(one);
      cutCall(one, 'current_time', given);
    });
    assert.match(told[0] ?? '', /^Error: There was no room for the whole call/);
    assert.equal(output.tool_count, 0);
  }
  const { output } = await ran((one) => {
    if (one.body.messages.some(({ role }) => role === 'tool')) return scriptedTurns([{ text: 'Well.' }])(one);
    cutCall(one, 'look', '{"found":"all"}');
  });
  assert.equal(output.tool_count, 1);
});

test('a turn, or a call, that is too large to be kept ends the run with what it has', async () => {
  const large = 'x'.repeat(30_000);
  const said = await ran([
    { text: 'First. ', calls: [look('a')] },
    { text: large, calls: [look('b')] },
  ]);
  assert.deepEqual([said.output.finish_reason, said.output.tool_count, said.asked], ['limit', 1, 2]);
  assert.equal(said.output.content, `First. ${large}`);
  assert.equal(said.usage.input_tokens, 2 * USAGE.prompt_tokens);
  const called = await ran([{ text: 'First. ', calls: [look(large)] }]);
  assert.deepEqual([called.output.finish_reason, called.output.content], ['limit', 'First. ']);
});

test('a run whose steps are too large together ends with what it has', async () => {
  const turns = Array.from({ length: 12 }, (_, index) => ({
    text: `${index} `,
    calls: [look(`${index}${'x'.repeat(4_000)}`)],
  }));
  const { output, asked, usage } = await ran(turns, { max_steps: 20 });
  assert.equal(output.finish_reason, 'limit');
  assert.ok(output.tool_count >= 5 && asked < 12, `${output.tool_count} calls, ${asked} turns`);
  assert.equal(usage.input_tokens, asked * USAGE.prompt_tokens);
});

test('tokens that are used up by a turn begin none of its calls', async () => {
  const turns = [{ text: 'Well. ', calls: [look('a')] }, { text: 'Never.' }];
  const { output, seen, asked } = await ran(turns, { max_total_tokens: 20 });
  assert.deepEqual([output.finish_reason, output.tool_count, asked], ['limit', 0, 1]);
  assert.ok(seen.every(({ type }) => type !== 'tool_start'));
});

test('a tool that does not hear that the time is over is not waited for', async () => {
  const { output } = await ran([{ text: 'Well. ', calls: [call('hang', {})] }], { timeout_ms: 2_500 });
  assert.deepEqual([output.finish_reason, output.results[0].status], ['limit', 'error']);
  assert.match(output.results[0].result, /no time left for this\..*not known whether it was done/);
});

/** Nine turns that fill the model, and what comes when it is asked for a summary. */
function filled(summary: (one: UpstreamCall) => void, results: string): Upstream['answer'] {
  let turns = 0;
  return (one) => {
    if (String(one.body.messages[0]?.content).startsWith('Sum up')) return summary(one);
    turns++;
    return scriptedTurns([
      turns < 10 ? { text: `${turns} `, calls: [look(`${turns} ${results}`)] } : { text: 'Done.' },
    ])(one);
  };
}

test('a summary that the model cannot give is done without; one that takes too long ends the run with what it has', async () => {
  const long = 'word '.repeat(3_000);
  const refused = await ran(
    filled((one) => one.finish({ reason: 'length', usage: USAGE }), long),
    {},
    roomy,
  );
  assert.equal(refused.output.finish_reason, 'stop');
  assert.ok(refused.output.content.endsWith('Done.'));
  const late = await ran(
    filled(() => undefined, long),
    { timeout_ms: 5_000 },
    roomy,
  );
  assert.equal(late.output.finish_reason, 'limit');
});

test('results of one turn that fill the model by themselves are cut, each in its middle', async () => {
  const calls = Array.from({ length: 16 }, (_, index) => look(`${index} ${'한'.repeat(4_000)}`));
  const { output, told } = await ran([{ calls }, { text: 'Done.' }], {}, roomy);
  assert.equal(output.tool_count, 16);
  for (const [index, result] of told.entries()) {
    assert.match(result, /^<outside [0-9a-f]+ source="tool look">\n/);
    assert.match(result, new RegExp(`"${index} 한+\\n\\[… \\d+ bytes left out …\\]\\n한+"`));
    assert.match(result, /\n<\/outside [0-9a-f]+>$/);
  }
  assert.ok(told.join('').length < 0.8 * 32_000, 'they fit what most models can read');
});

test('functions of a client that bear one name are refused, and an id that is too long is another', async () => {
  const twice = await post(
    system.url,
    '/api/chat/agentic',
    chat('Hi', { client_tools: [{ name: 'mine' }, { name: 'mine' }] }),
  );
  assert.deepEqual(badPaths(twice), ['client_tools[1].name']);
  upstream.answer = scriptedTurns([{ calls: [{ ...call('mine', {}), id: 'y'.repeat(300) }] }, { text: 'Done.' }]);
  const body = chat('Hi', { client_tools: [{ name: 'mine' }] });
  const parked = await post(system.url, '/api/chat/agentic', body, { Prefer: 'wait=30' });
  const { approval } = (await (await fetch(`${system.url}/tasks/${parked.json.task_id}`)).json()) as {
    approval: { approval_id: string; arguments: { id: string }[] };
  };
  const results = approval.arguments.map(({ id }) => ({ id, content: 'given' }));
  const path = `/tasks/${parked.json.task_id}/approvals/${approval.approval_id}`;
  const { json } = await post(system.url, path, { action: 'results', results }, { Prefer: 'wait=30' });
  assert.equal(json.output?.content, 'Done.', JSON.stringify(json));
});
