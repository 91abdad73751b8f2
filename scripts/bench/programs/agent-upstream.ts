/**
 * The model server of the bench of agents: four turns of two calls of a calculator, then an answer. Which turn it is at shows in
 * the conversation.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const TURNS = 4;

const event = (choice: object, rest: object = {}) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'bench', choices: [choice], ...rest })}\n\n`;
const delta = (part: object) => event({ index: 0, delta: part, finish_reason: null });
const end = (reason: string) =>
  `${event({ index: 0, delta: {}, finish_reason: reason })}${event(
    { index: 0, delta: {}, finish_reason: null },
    { choices: [], usage: { prompt_tokens: 30, completion_tokens: 12, total_tokens: 42 } },
  )}data: [DONE]\n\n`;

function calls(turn: number): string {
  return [0, 1]
    .map((index) => {
      const named = { name: 'calculator', arguments: JSON.stringify({ expression: `${turn}+${index}` }) };
      return delta({ tool_calls: [{ index, id: `call_${turn}_${index}`, type: 'function', function: named }] });
    })
    .join('');
}

const answer = ['The ', 'answer ', 'is ', 'seven.'].map((content) => delta({ content })).join('');
const turns = Array.from({ length: TURNS }, (_, turn) => Buffer.from(calls(turn) + end('tool_calls')));
const last = Buffer.from(answer + end('stop'));

const server = createServer({ noDelay: true }, async (request, response) => {
  // What else a client may ask of a model server, such as its models, it does not know.
  if (request.method !== 'POST') return void response.writeHead(404).end();
  let text = '';
  for await (const bytes of request) text += bytes;
  const { messages } = JSON.parse(text) as { messages: { role: string }[] };
  const turn = messages.filter(({ role }) => role === 'assistant').length;
  response.writeHead(200, { 'Content-Type': 'text/event-stream' }).end(turns[turn] ?? last);
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
for (const name of ['disconnect', 'SIGTERM']) process.on(name, () => process.exit());
