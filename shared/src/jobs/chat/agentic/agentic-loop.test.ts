/** Whole tool loops of a scripted model server that the field uses, through both clients that speak to it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LLMock } from '@copilotkit/aimock';
import { chat, checkEnded, followToEnd, submit, visibleText } from '../../../../../scripts/testing/client.ts';
import { startInProcess } from '../../../../../scripts/testing/in-process.ts';

for (const [name, envOf, model] of [
  ['openai', (url: string) => ({ OPENAI_BASE_URL: `${url}/v1`, OPENAI_API_KEY: 'k' }), 'openai/gpt-test'],
  ['ollama', (url: string) => ({ OLLAMA_HOST: url }), 'ollama/gpt-test'],
] as const) {
  test(`a loop of two turns with calls and an answer, by the ${name} client`, async (t) => {
    const mock = new LLMock({ port: 0, logLevel: 'silent' });
    const calculator = (expression: string, id: string) => ({
      id,
      name: 'calculator',
      arguments: JSON.stringify({ expression }),
    });
    mock.addFixture({
      match: { userMessage: 'work it out', turnIndex: 0 },
      response: { toolCalls: [calculator('6*7', 'call_a'), calculator('2^5', 'call_b')] },
    });
    mock.addFixture({
      match: { userMessage: 'work it out', turnIndex: 1 },
      response: {
        toolCalls: [{ id: 'call_c', name: 'current_time', arguments: JSON.stringify({ zone: 'Asia/Seoul' }) }],
      },
    });
    mock.addFixture({
      match: { userMessage: 'work it out', turnIndex: 2 },
      response: { content: 'It is 42 and 32. 끝났습니다.' },
    });
    await mock.start();
    const system = await startInProcess({ env: envOf(mock.url) });
    t.after(async () => {
      await system.stop();
      await mock.stop();
    });
    const id = await submit(system.url, chat('Please work it out', { model, parallel: true }), '/api/chat/agentic');
    const seen = await followToEnd(system.url, id);
    await checkEnded(system.url, id, seen);
    const { status, output } = seen.at(-1)?.data ?? {};
    assert.deepEqual([status, output.content, output.steps], ['completed', 'It is 42 and 32. 끝났습니다.', 3]);
    assert.equal(visibleText(seen), output.content);
    assert.deepEqual(
      output.results.map((one: { tool: string; result: { value?: number } }) => [one.tool, one.result.value]),
      [
        ['calculator', 42],
        ['calculator', 32],
        ['current_time', undefined],
      ],
    );
    const last = mock.getRequests().at(-1)?.body as { messages: { role: string }[] } | undefined;
    assert.deepEqual(
      last?.messages.map(({ role }) => role),
      ['system', 'user', 'assistant', 'tool', 'tool', 'assistant', 'tool'],
    );
  });
}
