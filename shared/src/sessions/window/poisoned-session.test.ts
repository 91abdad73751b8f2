/** A session outlives whatever its model servers answered and whatever was put into it: its next turn completes. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { followToEnd, getTask, submit } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { sessionClient } from '../../../../scripts/testing/session-client.ts';
import { startUpstream, type UpstreamCall } from '../../../../scripts/testing/upstream.ts';
import { type AnswerCase, startAnswering } from '../../models/providers/testing/answer-case.ts';
import { contents, usages } from '../../models/providers/testing/content-cases.ts';
import { failures, forbidden } from '../../models/providers/testing/failure-cases.ts';
import { dresses, endings } from '../../models/providers/testing/form-cases.ts';
import { parameters, refusals } from '../../models/providers/testing/refusal-cases.ts';
import { called } from '../../models/providers/testing/tool-call-cases.ts';
import { assertForm, choices } from '../../models/testing/conversations.ts';

const FILE = new URL('../../models/providers/testing/model-servers.json', import.meta.url);
const handed: AnswerCase[] = JSON.parse(await readFile(FILE, 'utf8'));
const all = { handed, contents, usages, dresses, endings, failures, forbidden, refusals, parameters, called };
const cases = Object.values(all).flat();

let system: InProcess;
let upstream: Awaited<ReturnType<typeof startAnswering>>;
before(async () => {
  upstream = await startAnswering(cases);
  system = await startInProcess({ env: { ...upstream.env, RETRY_BASE_MS: '1', AUTO_TITLES: 'off' } });
});
after(async () => {
  await system.stop();
  upstream.stop();
});

const tool = { type: 'function', function: { name: 'weather' } };

async function say(session_id: string, model: string, content: unknown = `ask ${model}`, before: unknown[] = []) {
  const messages = [...before, { role: 'user', content }];
  const id = await submit(system.url, { session_id, model: `openai/${model}`, messages, tools: [tool] });
  await followToEnd(system.url, id);
  return (await getTask(system.url, id)).json;
}

async function goesOn(session: string, after: string) {
  const json = await say(session, 'fine', `after ${after}`);
  assert.equal(json.status, 'completed', `${after}: ${JSON.stringify(json.error)}`);
}

describe('a session goes on after each answer', { concurrency: true }, () => {
  for (const [kind, ofKind] of Object.entries(all)) {
    test(`of the kind ${kind}`, async () => {
      const session = await sessionClient(system.url).create();
      for (const { name } of ofKind) {
        await say(session, name);
        await goesOn(session, name);
      }
    });
  }
});

const PICTURE = { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } };
const CONTENTS = ['a', 'half \ud83e', 'nul \0', [PICTURE], [{ type: 'text', text: ' ' }, PICTURE], 'Ω'.repeat(3_000)];

describe('a session goes on after a history made at random', { concurrency: true }, () => {
  for (let seed = 1; seed <= 6; seed++) {
    test(`by ${seed}`, async () => {
      const { next, pick } = choices(seed);
      const client = sessionClient(system.url);
      const session = await client.create();
      const callOf = () => ({
        ...{ id: pick(['a', 'b', 'call_0']), type: 'function' },
        function: { name: pick(['f', 'ㄱ b']), arguments: pick(['{}', '{"a', '']) },
      });
      const toolMessage = () =>
        next() < 0.5
          ? { role: 'assistant', content: null, tool_calls: [callOf(), callOf()].slice(Math.floor(next() * 2)) }
          : { role: 'tool', content: pick(CONTENTS), tool_call_id: pick(['a', 'b', 'call_0', 'D681PevKs']) };
      for (let turn = 0; turn < 15; turn++) {
        const content = pick(CONTENTS);
        if (next() < 0.5) {
          const said = next() < 0.5 ? toolMessage() : { role: pick(['system', 'user', 'assistant']), content };
          const { status, text } = await client.call('POST', `/api/chat/sessions/${session}/messages`, said);
          assert.ok(status === 201 || status === 400, text);
        } else await say(session, pick(cases).name, content, next() < 0.5 ? [toolMessage(), toolMessage()] : []);
        if (next() < 0.3) await goesOn(session, String(turn));
      }
      await goesOn(session, 'all');
    });
  }
});

test('and all that their models were sent was in the form that every model takes', () => {
  assert.ok(upstream.asked.length > 400);
  for (const { body } of upstream.asked) assertForm(body.messages);
});

const error = (code: string, message = code) => JSON.stringify({ error: { code, message } });
const holds = (call: UpstreamCall, text: string) => JSON.stringify(call.body.messages).includes(text);

for (const [what, poison, refuse, note] of [
  [
    'pictures, which its model does not take',
    [{ type: 'text', text: 'look' }, PICTURE],
    (call: UpstreamCall) => holds(call, 'image_url') && error('x', 'image input is not supported'),
    /pictures/,
  ],
  [
    'more than its model takes',
    'too much',
    (call: UpstreamCall) => call.body.messages.length > 1 && error('context_length_exceeded'),
    /no room for the conversation/,
  ],
  [
    'what a content filter refuses',
    'a bomb',
    (call: UpstreamCall) => holds(call, 'bomb') && error('content_filter'),
    /content filter/,
  ],
  [
    'what a server refuses without a reason',
    'a bomb',
    (call: UpstreamCall) => holds(call, 'bomb') && '<html>no</html>',
    /refuses the conversation/,
  ],
] as const) {
  test(`a session goes on that holds ${what}; the output says what its model was not shown`, async (t) => {
    const server = await startUpstream((call) => {
      const refusal = call.body.model === 'strict' && refuse(call);
      if (refusal) return call.refuse(400, {}, refusal);
      call.text('well');
      call.finish();
    });
    t.after(() => server.stop());
    const strict = await startInProcess({ env: { ...server.env, AUTO_TITLES: 'off' } });
    t.after(() => strict.stop());
    const session = await sessionClient(strict.url).create();
    const ask = async (model: string, content: unknown) => {
      const messages = [{ role: 'user', content }];
      const id = await submit(strict.url, { session_id: session, model: `openai/${model}`, messages });
      await followToEnd(strict.url, id);
      return (await getTask(strict.url, id)).json;
    };
    assert.equal((await ask('lenient', poison)).output.metadata, undefined);
    const first = server.calls.length;
    for (const content of ['one', 'two']) {
      const { status, output, error } = await ask('strict', content);
      assert.equal(status, 'completed', JSON.stringify(error));
      assert.match(output.metadata.note, note);
    }
    assert.equal(server.calls.length - first, 4);
  });
}
