/** Answers of model servers in every dialect, and what comes of a task that gets one. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { chat, followToEnd, getTask, submit } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { type AnswerCase, startAnswering } from './testing/answer-case.ts';
import { contents, usages } from './testing/content-cases.ts';
import { failures, forbidden } from './testing/failure-cases.ts';
import { dresses, endings } from './testing/form-cases.ts';
import { parameters, refusals } from './testing/refusal-cases.ts';
import { called } from './testing/tool-call-cases.ts';

const handed: AnswerCase[] = JSON.parse(await readFile(new URL('testing/model-servers.json', import.meta.url), 'utf8'));
const own = [contents, usages, dresses, endings, failures, forbidden, refusals, parameters, called];
const cases = [...handed, ...own.flat()];

let system: InProcess;
let upstream: Awaited<ReturnType<typeof startAnswering>>;
before(async () => {
  upstream = await startAnswering(cases);
  system = await startInProcess({ env: { ...upstream.env, PROVIDER_PATIENCE_MS: '900000' } });
});
after(async () => {
  await system.stop();
  upstream.stop();
});

describe('an answer', { concurrency: 8 }, () => {
  for (const { name, expect } of cases) {
    test(`${name} is ${expect.status} after at most ${expect.max_calls} calls`, async () => {
      const id = await submit(system.url, chat('hello', { model: `openai/${name}`, ...paramsOf(name) }));
      const seen = await followToEnd(system.url, id);
      const { json } = await getTask(system.url, id);
      const told = JSON.stringify({ error: json.error, output: json.output });
      assert.equal(json.status, expect.status, told);
      if (expect.status === 'completed') assert.equal(json.output.content, expect.content);
      else assert.equal(json.error.code, expect.code, told);
      assert.ok(upstream.of(name).length <= expect.max_calls, `${upstream.of(name).length} calls`);
      if (expect.message) assert.match(json.error.message, expect.message);
      for (const [field, value] of Object.entries(expect.output ?? {})) assert.deepEqual(json.output[field], value);
      for (const [field, value] of Object.entries(expect.usage ?? {})) assert.deepEqual(json.usage[field], value);
      const thought = seen.filter(({ type }) => type === 'reasoning').map(({ data }) => data.content);
      if (expect.note) assert.match(json.output.metadata.note, expect.note);
      assert.ok(!/zebra/.test(told), 'a word of the server reached the client');
      if (expect.reasoning !== undefined) assert.equal(thought.join(''), expect.reasoning);
    });
  }
});

const paramsOf = (name: string) => cases.find((one) => one.name === name)?.parameters ?? {};
