/**
 * What the bench of agents compares with: the loop as one writes it on the official client, in the process that was asked.
 * Argument: the upstream's URL.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: 'bench', maxRetries: 0 });

const tools: OpenAI.ChatCompletionTool[] = [
  {
    type: 'function',
    function: {
      name: 'calculator',
      description: 'Works out an expression.',
      parameters: { type: 'object', properties: { expression: { type: 'string' } }, required: ['expression'] },
    },
  },
];

type Call = { id: string; type: 'function'; function: { name: string; arguments: string } };

async function turn(messages: OpenAI.ChatCompletionMessageParam[]) {
  const calls: Call[] = [];
  let content = '';
  const stream_options = { include_usage: true };
  const chunks = await client.chat.completions.create({
    model: 'bench',
    messages,
    tools,
    stream: true,
    stream_options,
  });
  for await (const { choices } of chunks) {
    const { content: text, tool_calls = [] } = choices[0]?.delta ?? {};
    content += text ?? '';
    for (const { index, id = '', function: part } of tool_calls) {
      const call = calls[index] ?? { id, type: 'function', function: { name: part?.name ?? '', arguments: '' } };
      call.function.arguments += part?.arguments ?? '';
      calls[index] = call;
    }
  }
  return { content, calls };
}

async function run(messages: OpenAI.ChatCompletionMessageParam[]): Promise<string> {
  for (;;) {
    const { content, calls } = await turn(messages);
    if (calls.length === 0) return content;
    messages.push({ role: 'assistant', content, tool_calls: calls });
    for (const { id, function: called } of calls) {
      const { expression } = JSON.parse(called.arguments) as { expression: string };
      const value = expression.split('+').reduce((sum, part) => sum + Number(part), 0);
      messages.push({ role: 'tool', tool_call_id: id, content: JSON.stringify({ value }) });
    }
  }
}

const server = createServer({ noDelay: true }, async (request, response) => {
  let text = '';
  for await (const bytes of request) text += bytes;
  const { messages } = JSON.parse(text) as { messages: OpenAI.ChatCompletionMessageParam[] };
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ content: await run(messages) }));
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
for (const name of ['disconnect', 'SIGTERM']) process.on(name, () => process.exit());
