/**
 * A model server that is away, then refuses for a while, and comes back: a full queue waits for it and storms nothing.
 * `OUTAGE_MS=30000 REFUSING_MS=10000 BASE_MS=1000 node --test` of this file runs it at the size of a real one.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../start/free-port.ts';
import { chat, getTask, post } from '../testing/client.ts';
import { startInProcess } from '../testing/in-process.ts';
import { eventually } from '../testing/raw.ts';
import { HANG_MS } from '../testing/until.ts';

const TASKS = 500;
/** Calls at once, of all runners, and how long the model takes for one: its steady rate is the one in the time of the other. */
const CONCURRENCY = 20;
const RUNNERS = 2;
const CALL_MS = 200;
const STEADY = CONCURRENCY * RUNNERS;

const OUTAGE_MS = Number(process.env.OUTAGE_MS ?? 2_000);
const REFUSING_MS = Number(process.env.REFUSING_MS ?? 1_000);
const BASE_MS = process.env.BASE_MS ?? '100';

const EVENTS = [{ delta: { content: 'here' } }, { delta: {}, finish_reason: 'stop' }]
  .map((choice) => `data: ${JSON.stringify({ choices: [{ index: 0, ...choice }] })}\n\n`)
  .join('');

/** A model server that is not there yet. `open` lets it refuse, `serve` lets it answer. */
async function startModel(t: TestContext) {
  const port = await freePort();
  const answered: number[] = [];
  let refused = 0;
  let underWay = 0;
  let most = 0;
  let isServing = false;
  const server = createServer(async (request, response) => {
    request.resume();
    if (!isServing) {
      refused++;
      // Every second one with a time.
      response.writeHead(429, refused % 2 === 0 ? { 'retry-after': '1' } : {}).end('{"error":{"code":"busy"}}');
      return;
    }
    answered.push(performance.now());
    most = Math.max(most, ++underWay);
    await delay(CALL_MS);
    underWay--;
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`${EVENTS}data: [DONE]\n\n`);
  });
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    env: { OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1`, DEFAULT_MODEL: 'openai/m' },
    open: () => new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening)),
    serve: () => {
      isServing = true;
    },
    seen: () => ({ answered, refused, most }),
  };
}

/** The most of these times that lie within less than `spanMs`. */
const mostWithin = (times: number[], spanMs: number) =>
  times.reduce((most, from, at) => {
    const end = times.findIndex((time, later) => later > at && time - from >= spanMs);
    return Math.max(most, (end === -1 ? times.length : end) - at);
  }, 0);

test('a full queue waits for a model server that is away and then refuses: all complete, no failure is spent, and no storm meets it when it is back', {
  timeout: HANG_MS + 4 * (OUTAGE_MS + REFUSING_MS),
}, async (t) => {
  const model = await startModel(t);
  const system = await startInProcess({
    runners: RUNNERS,
    env: {
      ...model.env,
      PROVIDER_PATIENCE_MS: '900000',
      RETRY_BASE_MS: BASE_MS,
      QUEUES: `chat.request:${CONCURRENCY}`,
    },
  });
  t.after(() => system.stop());

  const submits = Array.from({ length: TASKS }, async (_, at) => {
    const { status, json, text } = await eventually(
      () => post(system.url, '/api/chat', chat(`question ${at}`)),
      (answer) => answer.status !== 503,
    );
    assert.equal(status, 202, text);
    return json.task_id as string;
  });
  const ids = await Promise.all(submits);
  await delay(OUTAGE_MS);
  await model.open();
  await delay(REFUSING_MS);
  await eventually(
    async () => model.seen().refused,
    (refused) => refused >= TASKS / 10,
  );
  model.serve();

  let attempts = 0;
  for (const id of ids) {
    const { json } = await eventually(
      () => getTask(system.url, id, '?wait=30'),
      ({ json: { status } }) => !/^(queued|in_progress)$/.test(status),
    );
    assert.deepEqual([json.status, json.failures ?? 0], ['completed', 0], JSON.stringify(json.error));
    attempts += json.attempt;
  }
  const { answered, refused, most } = model.seen();
  assert.equal(answered.length, TASKS, 'each is answered once');
  assert.ok(refused > 0 && attempts > TASKS + refused, `${attempts} attempts, ${refused} refused`);
  assert.ok(most <= STEADY, `${most} calls at once`);
  // A slot makes one call in that time when all are busy, and one more at most when they all begin at once.
  const peak = mostWithin(answered, CALL_MS);
  assert.ok(peak <= 2 * STEADY, `${peak} calls within ${CALL_MS} ms; ${STEADY} are its steady rate`);
  t.diagnostic(`${attempts} attempts, ${refused} refused, ${peak} of ${2 * STEADY} calls within ${CALL_MS} ms`);
});
