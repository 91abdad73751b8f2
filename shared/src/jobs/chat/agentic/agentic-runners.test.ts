/** A run that goes on at a runner that does not have all tools of the one before: what was done is known, and nothing is mixed up. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { chat, post } from '../../../../../scripts/testing/client.ts';
import { startInProcess } from '../../../../../scripts/testing/in-process.ts';
import { type ScriptedTurn, scriptedTurns } from '../../../../../scripts/testing/scripted-turns.ts';
import { startUpstream } from '../../../../../scripts/testing/upstream.ts';

const call = (name: string, given: unknown) => ({ name, arguments: given });
const pairs = (results: { tool: string; status: string }[]) => results.map(({ tool, status }) => [tool, status]);

/** Runs until a person is asked at a runner that has everything, and goes on at one that lacks some tools. */
async function moved(t: { after(end: () => Promise<void>): void }, off: string) {
  const upstream = await startUpstream();
  t.after(() => upstream.stop());
  const system = await startInProcess({ runners: 0, env: upstream.env });
  t.after(() => system.stop());
  return {
    file: join(system.dataDir, 'notes'),
    async run(turns: ScriptedTurn[], more: Record<string, unknown>) {
      upstream.answer = scriptedTurns(turns);
      const whole = await system.startRunner();
      const parked = await post(system.url, '/api/chat/agentic', chat('Send it.', more), { Prefer: 'wait=30' });
      assert.equal(parked.json.status, 'input_required');
      await whole.stop();
      await system.startRunner({ TOOLS_OFF: off });
      const run_id = parked.json.task_id;
      const response = { approval_response: { run_id, action: 'run' } };
      const { json } = await post(system.url, '/api/chat/agentic', response, { Prefer: 'wait=30' });
      assert.equal(json.status, 'completed');
      return json.output;
    },
  };
}

test('a call that was made by a runner with its tool stands at one without, and is told to the model', async (t) => {
  const { file, run } = await moved(t, 'send');
  const calls = [call('send', { to: 'anna', file }), call('put', { to: 'ben', file })];
  const output = await run([{ calls }, { calls: [call('send', { to: 'carl', file })] }, { text: 'Sent.' }], {
    require_approval: ['put'],
  });
  assert.deepEqual(pairs(output.results), [
    ['send', 'completed'],
    ['put', 'completed'],
    ['send', 'error'],
  ]);
  assert.match(output.results[2].result, /^This was NOT run/);
  assert.deepEqual((await readFile(file, 'utf8')).split('\n').slice(0, -1), ['anna', 'put ben']);
});

test('the tools of a pipeline keep their places', async (t) => {
  const { run } = await moved(t, 'current_time');
  const output = await run([{ text: 'It is noon.' }], {
    ...{ proposal_action: 'custom_spec', proposal_pipeline: ['current_time', 'chat'], require_approval: ['chat'] },
  });
  assert.deepEqual(pairs(output.results), [
    ['current_time', 'completed'],
    ['chat', 'completed'],
  ]);
  assert.equal(output.content, 'It is noon.');
});
