import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chat, checkEnded, followToEnd, getTask, submit, visibleText } from '../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../scripts/testing/in-process.ts';
import { numberedWords, slowWords, startUpstream, type Upstream } from '../../../scripts/testing/upstream.ts';

let system: InProcess;
let upstream: Upstream;
before(async () => {
  upstream = await startUpstream(slowWords(200, 1));
  system = await startInProcess({ env: upstream.env });
});
after(async () => {
  await system.stop();
  await upstream.stop();
});

test('a task streams, ends and reads the same whole text', async () => {
  const id = await submit(system.url, chat('hi'));
  const seen = await followToEnd(system.url, id, { dropEvery: 3 });
  await checkEnded(system.url, id, seen);
  const whole = numberedWords(200).join('');
  assert.equal(visibleText(seen), whole);
  const { json } = await getTask(system.url, id);
  assert.equal(json.output.content, whole);
  assert.deepEqual(json.usage, { input_tokens: 7, output_tokens: 200, total_tokens: 207 });
});
