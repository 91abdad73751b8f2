/** Titles and summaries of models that think first, and that refuse what others take. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { followToEnd, getTask, submit } from '../../../../scripts/testing/client.ts';
import { startInProcess } from '../../../../scripts/testing/in-process.ts';
import { sessionClient } from '../../../../scripts/testing/session-client.ts';
import { startUpstream, type UpstreamCall } from '../../../../scripts/testing/upstream.ts';

const refusal = (param: string, message: string) => JSON.stringify({ error: { message, param, code: 'unsupported' } });

/** As reasoning models of OpenAI refuse: one parameter at a time. */
function refuses({ body }: UpstreamCall): string | undefined {
  if ('max_tokens' in body)
    return refusal('max_tokens', "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.");
  if ('temperature' in body) return refusal('temperature', 'Only the default (1) value is supported.');
  return undefined;
}

const ways: [what: string, answer: (call: UpstreamCall, words: string) => void][] = [
  [
    'in a field of their own',
    (call, words) => {
      for (let at = 0; at < 300; at++)
        call.data({ choices: [{ index: 0, delta: { reasoning_content: 'hm, beans? ' } }] });
      call.text(words);
    },
  ],
  ['without their opening tag', (call, words) => call.text(`What do they want? Beans.\n</think>\n\n${words}`)],
  ['in other tags', (call, words) => call.text(`<THINKING>What do they want?</THINKING>${words}`)],
];

for (const [what, answer] of ways) {
  test(`a model that thinks ${what} gives a title and a summary without its thoughts`, async (t) => {
    const upstream = await startUpstream((call) => {
      const refused = refuses(call);
      if (refused) return call.refuse(400, {}, refused);
      const isTitle = String(call.body.messages[0]?.content).startsWith('Give this conversation a title');
      answer(call, isTitle ? 'Green beans' : 'They spoke of beans.');
      call.finish();
    });
    t.after(() => upstream.stop());
    const system = await startInProcess({ env: { ...upstream.env, AUTO_TITLES: 'off', CONTEXT_MESSAGES: '2' } });
    t.after(() => system.stop());
    const client = sessionClient(system.url);
    const session = await client.create();
    for (let at = 0; at < 10; at++) await client.say(session, `bean ${at}`);
    const run = async (type: string) => {
      const id = await submit(system.url, { type, input: { session_id: session } }, '/tasks');
      await followToEnd(system.url, id);
      const { status, output, error } = (await getTask(system.url, id)).json;
      assert.equal(status, 'completed', JSON.stringify(error));
      return output;
    };
    assert.equal((await run('session.title')).title, 'Green beans');
    assert.equal((await run('session.summary')).summary, 'They spoke of beans.');
    const [first, second, third, fourth, ...more] = upstream.calls.map(({ body }) => body);
    assert.ok(first && second && third && fourth && more.length === 0);
    // What the first call taught holds for those that follow.
    for (const body of [third, fourth]) {
      assert.ok(Number(body.max_completion_tokens) >= 1_000, 'room for thoughts');
      assert.ok(!('max_tokens' in body || 'temperature' in body));
    }
  });
}

test('a model that goes on and on after its title is not heard to its end', async (t) => {
  const upstream = await startUpstream(async (call) => {
    while (!call.response.destroyed) {
      call.text('Green beans\nand more, ');
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  });
  t.after(() => upstream.stop());
  const system = await startInProcess({ env: { ...upstream.env, AUTO_TITLES: 'off' } });
  t.after(() => system.stop());
  const client = sessionClient(system.url);
  const session = await client.create();
  await client.say(session, 'beans');
  const id = await submit(system.url, { type: 'session.title', input: { session_id: session } }, '/tasks');
  await followToEnd(system.url, id);
  assert.equal((await getTask(system.url, id)).json.output.title, 'Green beans');
  await upstream.calls[0]?.closed;
});
