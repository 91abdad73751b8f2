/** Ollama behind a whole system: its answers, its faults and its absence. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { freePort } from '../start/free-port.ts';
import { chat, getTask, post, submit, visibleText } from '../testing/client.ts';
import { ollamaDialect, startRaw } from '../testing/dialects.ts';
import { watchMachine } from '../testing/machine.ts';
import { type System, startSystem } from '../testing/system.ts';
import { until } from '../testing/until.ts';
import { checkClean, followUntil, followWhole } from './checks.ts';

const { text, end, event, keepAlive, contentType } = ollamaDialect;
/** Long enough that the answer which follows a silence does not seem silent itself, on a machine that has no time for it. */
const IDLE_MS = 3_000;

type Answer = (response: ServerResponse) => void;
/** What each prompt's calls get, one after another; the last one for all further calls. */
const answers = new Map<string, Answer[]>();
let system: System;
const cleanUps: (() => void)[] = [];

/** The server: it has one model that can chat, and answers a chat as its prompt's test says. */
async function startOllama(port: number) {
  const server = await startRaw(
    { after: (close) => cleanUps.push(close) },
    (response) => {
      const { url, body } = server.requests.at(-1) ?? { url: '', body: '' };
      const json = (value: unknown) => response.end(JSON.stringify(value));
      if (url === '/api/tags') return json({ models: [{ name: 'minilm:latest' }, { name: 'smol:latest' }] });
      const request = JSON.parse(body);
      if (url === '/api/show')
        return json({ capabilities: [request.model === 'smol:latest' ? 'completion' : 'embedding'] });
      const left = answers.get(request.messages.at(-1).content) ?? [];
      return (left.length > 1 ? left.shift() : left[0])?.(response);
    },
    port,
  );
  return server;
}

const stream =
  (...pieces: string[]): Answer =>
  (response) => {
    response.writeHead(200, { 'content-type': contentType }).end(pieces.join(''));
  };
const well = stream(text('one '), text('둘'), end([7, 2]));

let count = 0;
/** Runs a task to its end. */
async function start(scripted: Answer[], more: Record<string, unknown> = {}, on = system) {
  const prompt = `prompt ${++count}`;
  answers.set(prompt, scripted);
  return submit(on.url, chat(prompt, { model: 'ollama/smol', ...more }));
}
async function run(scripted: Answer[], more?: Record<string, unknown>, on = system) {
  const id = await start(scripted, more, on);
  const seen = await followWhole(on.url, id);
  const { json } = await getTask(on.url, id);
  return { json, seen, retries: seen.filter(({ type }) => type === 'retrying').map(({ data }) => data) };
}

let port: number;
before(async () => {
  port = await freePort();
  system = await startSystem({ env: { OLLAMA_HOST: `127.0.0.1:${port}` } });
});
after(async () => {
  await checkClean(system);
  await system.stop();
  for (const cleanUp of cleanUps) cleanUp();
});

test('an Ollama that comes up after the runner gets the tasks that waited for it, by a model that can chat', async () => {
  answers.set('early', [well]);
  const id = await submit(system.url, chat('early', { max_attempts: 100 }));
  await followUntil(system.url, id, 'retrying');
  await startOllama(port);
  const seen = await followWhole(system.url, id);
  const { json } = await getTask(system.url, id);
  assert.deepEqual([json.status, json.output.provider, json.output.content], ['completed', 'ollama', 'one 둘']);
  assert.equal(seen.find(({ type }) => type === 'retrying')?.data.reason, 'provider_busy');
});

describe('an Ollama', { concurrency: 6 }, () => {
  test('that answers well gives text, model, finish and usage', async () => {
    const { json, seen } = await run([well], { model: undefined });
    assert.equal(visibleText(seen), 'one 둘');
    const { content, model, provider, finish_reason } = json.output;
    assert.deepEqual([content, model, provider, finish_reason], ['one 둘', 'm-1', 'ollama', 'stop']);
    assert.deepEqual(json.usage, { input_tokens: 7, output_tokens: 2, total_tokens: 9 });
  });

  test('that is busy is asked again no sooner than its Retry-After says', async () => {
    const busy: Answer = (response) => response.writeHead(503, { 'retry-after': '1' }).end('{"error":"server busy"}');
    const { json, retries } = await run([busy, well]);
    assert.deepEqual([json.status, json.attempt], ['completed', 2]);
    assert.equal(retries[0]?.reason, 'provider_busy');
    assert.ok(retries[0]?.delay_ms >= 1_000);
  });

  test('that fails in the middle, or sends garbage, or breaks off, is asked again and shows nothing of it', async () => {
    const breaks: Answer = (response) => {
      response.writeHead(200, { 'content-type': contentType }).write(text('half '), () => response.destroy());
    };
    const error = stream(text('half '), event({ error: 'zebra' }));
    const { json, seen, retries } = await run([error, stream(text('half '), event('{zebra')), breaks, well], {
      max_attempts: 4,
    });
    assert.deepEqual([json.status, json.attempt, visibleText(seen)], ['completed', 4, 'one 둘']);
    assert.deepEqual(
      retries.map(({ reason }) => reason),
      ['provider_busy', 'provider_busy', 'provider_busy'],
    );
    assert.ok(!JSON.stringify([seen, json]).includes('zebra'));
  });

  test('that stalls is given up when no data came for the idle time, although empty lines keep coming', async (t) => {
    const env = { OLLAMA_HOST: `127.0.0.1:${port}`, IDLE_TIMEOUT_MS: String(IDLE_MS) };
    const impatient = await startSystem({ env });
    t.after(impatient.stop);
    const closed = Promise.withResolvers<void>();
    const stall: Answer = (response) => {
      response.writeHead(200, { 'content-type': contentType }).write(text('half '));
      const timer = setInterval(() => response.write(keepAlive), 50);
      response.on('close', () => {
        clearInterval(timer);
        closed.resolve();
      });
    };
    const { json, retries } = await run([stall, well], {}, impatient);
    assert.deepEqual([json.status, json.attempt, retries[0]?.reason], ['completed', 2, 'provider_busy']);
    await closed.promise;
    await checkClean(impatient);
  });

  test('without the model fails the task with the command that gets it', async () => {
    const missing: Answer = (response) =>
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"zebra"}');
    const { json } = await run([missing], { model: 'ollama/llama3.2:1b' });
    assert.deepEqual([json.status, json.error.code, json.attempt], ['failed', 'provider_refused', 1]);
    assert.match(json.error.message, /ollama pull llama3\.2:1b/);
  });

  test('that ends without done leaves an answer marked incomplete, its usage estimated', async () => {
    const { json } = await run([stream(text('four words of text'))]);
    const { content, finish_reason } = json.output;
    assert.deepEqual([json.status, content, finish_reason], ['completed', 'four words of text', 'incomplete']);
    assert.equal(json.usage.estimated, true);
  });

  test('is left within 500 ms of a cancel', async (t) => {
    const asked = Promise.withResolvers<Promise<unknown>>();
    const endless: Answer = (response) => {
      response.writeHead(200, { 'content-type': contentType });
      const timer = setInterval(() => response.write(text('w ')), 50);
      asked.resolve(once(response, 'close').finally(() => clearInterval(timer)));
    };
    const id = await start([endless]);
    await followUntil(system.url, id, 'text');
    const machine = watchMachine(t, system.url);
    const askedAt = performance.now();
    await post(system.url, `/tasks/${id}/cancel`, {});
    await await asked.promise;
    const tookMs = Math.round(performance.now() - askedAt);
    const machineMs = machine.stop();
    assert.ok(tookMs < 500 + machineMs, `${tookMs} ms, of which ${machineMs} ms are the machine's`);
    await followWhole(system.url, id);
    const { json } = await getTask(system.url, id);
    assert.equal(json.status, 'cancelled');
    assert.match(json.output.content, /^(w )+$/);
  });

  test('is never sent a link to an image', async () => {
    const content = [{ type: 'image_url', image_url: { url: 'http://127.0.0.1:1/a.png' } }];
    const id = await submit(system.url, { model: 'ollama/smol', messages: [{ role: 'user', content }] });
    await followWhole(system.url, id);
    const { json } = await getTask(system.url, id);
    assert.deepEqual([json.status, json.error.code], ['failed', 'provider_refused']);
    assert.match(json.error.message, /links to images/);
  });
});

test('a provider that nobody configured is told by name, with those that are', async () => {
  const id = await submit(system.url, chat('x', { model: 'openai/gpt-4o' }));
  await until('the task ended', async () => (await getTask(system.url, id)).json.status === 'failed');
  const { error } = (await getTask(system.url, id)).json;
  assert.equal(error.code, 'provider_not_configured');
  assert.match(error.message, /openai, which is not configured\. Configured: ollama, builtin/);
});
