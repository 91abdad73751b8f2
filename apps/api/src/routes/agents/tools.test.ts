/** The list of tools: what living runners can run, and why not the others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chat, post } from '../../../../../scripts/testing/client.ts';
import { startInProcess } from '../../../../../scripts/testing/in-process.ts';
import { until } from '../../../../../scripts/testing/until.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever an answer holds
type Row = any;

const list = async (url: string): Promise<Map<string, Row>> => {
  const rows = (await (await fetch(`${url}/api/chat/tools`)).json()) as Row[];
  return new Map(rows.map((row) => [row.name, row]));
};

test('every tool has its row, which says what a runner can run, what it lacks, and how it is called', async (t) => {
  const system = await startInProcess({ env: { TOOLS_OFF: 'http_fetch, hammer' } });
  t.after(() => system.stop());
  const rows = await list(system.url);
  const named = ['chat', 'rag', 'agent', 'multi_agent', 'web_search', 'knowledge_graph', 'code', 'google_drive'];
  named.push('google_docs', 'google_gmail', 'google_calendar', 'google_sheets', 'audio_transcribe', 'vision', 'ocr');
  for (const name of [...named, 'evaluation', 'calculator', 'current_time', 'session_search'])
    assert.ok(rows.has(name), name);

  const { chat, web_search, rag, http_fetch, calculator } = Object.fromEntries(rows);
  assert.deepEqual([chat.status, chat.is_available, chat.reason, chat.priority], ['available', true, null, 100]);
  assert.deepEqual([chat.intent_types, chat.is_streaming], [['chat'], true]);
  assert.equal(calculator.input_schema.properties.expression.type, 'string');
  assert.deepEqual([rag.status, rag.is_available, rag.missing_packages], ['unavailable', false, ['rag.query']]);
  assert.deepEqual(Object.keys(rag.options), ['collection_name', 'top_k']);
  assert.deepEqual(web_search.missing_keys, ['TAVILY_API_KEY']);
  assert.deepEqual([http_fetch.status, http_fetch.reason], ['unavailable', 'No runner that is there offers it.']);

  assert.match(system.logs(), /"tool":"hammer".*TOOLS_OFF names a tool that there is not/);

  const one = await fetch(`${system.url}/api/chat/tools/chat`);
  assert.deepEqual([one.status, await one.json()], [200, chat]);
  assert.equal((await fetch(`${system.url}/api/chat/tools/hammer`)).status, 404);
});

test('a runner with the key announces that it has it, and one that takes no agents announces no tools', async (t) => {
  const system = await startInProcess({ runners: 0 });
  t.after(() => system.stop());
  const reasonOf = async (name: string) => (await list(system.url)).get(name).reason;
  assert.equal(await reasonOf('chat'), 'No runner is there that could run it.');
  const { stop } = await system.startRunner({ QUEUES: 'chat.request:1' });
  assert.equal(await reasonOf('chat'), 'No runner is there that could run it.');
  await stop();

  const bare = await system.startRunner();
  await until('the runner is known', async () => (await list(system.url)).get('chat').is_available);
  const { status, reason, missing_keys } = (await list(system.url)).get('keyed');
  assert.deepEqual([status, missing_keys], ['requires_key', ['TEST_TOOL_KEY']]);
  const body = chat('hello', { tools: ['chat', 'keyed', 'hammer'] });
  const refused = await post(system.url, '/api/chat/agentic', body);
  assert.deepEqual(
    [refused.status, refused.json.errors],
    [
      400,
      [
        { path: 'tools[1]', message: `cannot be used now. ${reason}` },
        { path: 'tools[2]', message: 'is the name of no tool' },
      ],
    ],
  );
  await bare.stop();

  const keyed = await system.startRunner({ TAVILY_API_KEY: 'tvly-canary', TEST_TOOL_KEY: 'key-canary' });
  await until('its key is known', async () => (await list(system.url)).get('keyed').is_available);
  assert.deepEqual((await list(system.url)).get('web_search').missing_keys, []);
  await keyed.stop();
  await until('the runner is gone', async () => !(await list(system.url)).get('chat').is_available);
  assert.doesNotMatch(system.logs(), /-canary/);
});
