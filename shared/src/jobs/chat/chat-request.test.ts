import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chat, followToEnd, submit } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { slowWords, startUpstream, type Upstream } from '../../../../scripts/testing/upstream.ts';

const PNG = 'iVBORw0KGgo=';

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

/** What the model was sent for a chat. */
async function sent(body: unknown) {
  const number = upstream.calls.length + 1;
  const id = await submit(system.url, body);
  const { body: request } = await upstream.call(number);
  assert.equal((await followToEnd(system.url, id)).at(-1)?.data.status, 'completed');
  return request;
}

test('parameters, and parts of messages, reach the model as they were given', async () => {
  const messages = [
    { role: 'system', content: '짧게 답해 주세요.' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'what is "this"?\n' },
        { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
      ],
    },
  ];
  const parameters = { temperature: 0, max_tokens: 7, top_p: 0.5, frequency_penalty: -1, presence_penalty: 1 };
  const request = await sent({ messages, model: 'openai/some-model', ...parameters });
  assert.deepEqual(request.messages, messages);
  assert.equal(request.model, 'some-model');
  for (const [name, value] of Object.entries(parameters)) assert.equal(request[name], value, name);
});

test('images and files join the last user message: images whole, files by name and type only', async () => {
  const file = { name: 'notes.txt', type: 'text/plain', data: 'c2VjcmV0' };
  const request = await sent({
    messages: [...chat('first').messages, { role: 'assistant', content: 'yes?' }, ...chat('look').messages],
    images: [PNG, `data:image/jpeg;base64,${PNG}`],
    files: [file],
  });
  assert.deepEqual(request.messages[0], { role: 'user', content: 'first' });
  assert.deepEqual(request.messages[2]?.content, [
    { type: 'text', text: 'look' },
    { type: 'text', text: '[Attached file: notes.txt (text/plain)]' },
    { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } },
    { type: 'image_url', image_url: { url: `data:image/jpeg;base64,${PNG}` } },
  ]);
  assert.ok(!JSON.stringify(request).includes(file.data));
});

test('enable_thinking asks the model to think in tags first', async () => {
  const request = await sent(chat('why?', { enable_thinking: true }));
  assert.equal(request.messages[0]?.role, 'system');
  assert.match(String(request.messages[0]?.content), /<think>/);
  assert.deepEqual(request.messages[1], { role: 'user', content: 'why?' });
});
