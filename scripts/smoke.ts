/** `npm run smoke`: walks through a live `npm start` as a user would, Ctrl-C and second start included. */
import assert from 'node:assert/strict';
import { setGlobalProxyFromEnv } from 'node:http';
import { constants } from 'node:os';
import { agentSteps } from './smoke-agents.ts';
import { sessionSteps } from './smoke-sessions.ts';
import { chat, checkEnded, followToEnd, getTask, post, visibleText } from './testing/client.ts';
import { bareNpmMs, npmStart } from './testing/npm-start.ts';

const QUESTION = 'The bean is green. The sky is blue. What colour is the sky?';

/**
 * What a second start may take, of which nothing is download or installation. A busy machine adds to it without end, so
 * two things keep that out: the best of three counts, and where npm alone is slow at that moment, so much the more is
 * allowed: the limit is that of a machine on which npm starts nothing in 0.2 s.
 */
const SECOND_START_MS = 3_000;
const SECOND_STARTS = 3;
const BARE_NPM_MS = 200;

// What it asks is on this machine, also where NODE_USE_ENV_PROXY sends fetch through a proxy.
if (process.env.NODE_USE_ENV_PROXY) setGlobalProxyFromEnv({ ...process.env, no_proxy: '*' });

const { url, start, stop, endAll, output } = await npmStart('smoke');

let id = '';
let whole = '';

const steps: [string, () => Promise<string | undefined>][] = [
  ['npm start is ready', async () => `${Math.round(await start())} ms`],
  [
    'POST answers 202 at once, and polling finds the answer',
    async () => {
      const submitted = await post(url, '/api/chat', chat(QUESTION));
      assert.equal(submitted.status, 202);
      id = submitted.json.task_id;
      assert.equal(submitted.headers.get('location'), `/tasks/${id}`);
      const { json } = await getTask(url, id, '?wait=20&after=1-1');
      assert.ok(['in_progress', 'completed'].includes(json.status), json.status);
      while (true) {
        const task = await getTask(url, id, '?wait=20');
        if (task.json.status !== 'completed') continue;
        assert.match(task.json.output.content, /sky is blue/);
        whole = task.json.output.content;
        return undefined;
      }
    },
  ],
  [
    'the stream gives the same text, again and from any event',
    async () => {
      const seen = await followToEnd(url, id);
      await checkEnded(url, id, seen);
      assert.equal(visibleText(seen), whole);
      const from = seen[2]?.id ?? '';
      assert.deepEqual(await followToEnd(url, id, { after: from }), seen.slice(3));
      const after = await fetch(`${url}/tasks/${id}/events?after=${seen.at(-1)?.id}`);
      assert.equal(after.status, 204);
      return `${seen.length} events`;
    },
  ],
  [
    'Accept: text/event-stream streams the answer of the POST itself',
    async () => {
      const response = await fetch(`${url}/api/chat`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream' },
        body: JSON.stringify(chat(QUESTION)),
      });
      const text = await response.text();
      assert.match(text, /^retry: 1000\n\nid: 0-1\nevent: queued\n/);
      assert.match(text, /event: done\ndata: .*"status":"completed".*\n\n$/);
      return undefined;
    },
  ],
  [
    'Prefer: wait answers 200 with the finished task',
    async () => {
      const { status, headers, json } = await post(url, '/api/chat', chat(QUESTION), { Prefer: 'wait=20' });
      assert.deepEqual([status, headers.get('preference-applied'), json.status], [200, 'wait=20', 'completed']);
      return undefined;
    },
  ],
  [
    'fifty racers with one Idempotency-Key make one task',
    async () => {
      const racers = Array.from({ length: 50 }, () =>
        post(url, '/api/chat', chat('once'), { 'Idempotency-Key': 'smoke' }),
      );
      const answers = await Promise.all(racers);
      assert.equal(new Set(answers.map(({ json }) => json.task_id)).size, 1);
      return undefined;
    },
  ],
  [
    'a scheduled task is cancelled before it starts',
    async () => {
      const { json } = await post(url, '/api/chat', chat('later', { delay_ms: 60_000 }));
      assert.equal(json.status, 'scheduled');
      assert.equal((await post(url, `/tasks/${json.task_id}/cancel`, {})).status, 202);
      const { json: ended } = await getTask(url, json.task_id);
      assert.deepEqual([ended.status, ended.attempt], ['cancelled', 0]);
      return undefined;
    },
  ],
  [
    'bad input names every field',
    async () => {
      const { status, json } = await post(url, '/api/chat', {
        messages: [{ role: 'robot', content: 'x' }],
        prioritty: 1,
      });
      assert.equal(status, 400);
      assert.deepEqual(
        json.errors.map(({ path }: { path: string }) => path),
        ['messages[0].role', 'prioritty'],
      );
      return undefined;
    },
  ],
  [
    'the list shows the tasks, newest first',
    async () => {
      const { tasks } = (await (await fetch(`${url}/tasks?limit=100`)).json()) as { tasks: { task_id: string }[] };
      assert.equal(tasks.at(-1)?.task_id, id);
      return `${tasks.length} tasks`;
    },
  ],
  ...agentSteps(url),
  ...sessionSteps(url),
  ['Ctrl-C stops everything', async () => `${Math.round(await stop())} ms`],
  [
    'the second start is quick',
    async () => {
      const said: string[] = [];
      while (true) {
        const tookMs = await start();
        if (tookMs < SECOND_START_MS) return `${Math.round(tookMs)} ms`;
        const bareMs = await bareNpmMs();
        const allowedMs = SECOND_START_MS * Math.max(1, bareMs / BARE_NPM_MS);
        said.push(`${Math.round(tookMs)} ms, of ${Math.round(allowedMs)} as npm alone takes ${Math.round(bareMs)} ms`);
        if (tookMs < allowedMs) return said.at(-1);
        assert.ok(said.length < SECOND_STARTS, said.join('; '));
        await stop();
      }
    },
  ],
  [
    'what was finished before is still there',
    async () => {
      const { json } = await getTask(url, id);
      assert.deepEqual([json.status, json.output.content], ['completed', whole]);
      await checkEnded(url, id, await followToEnd(url, id));
      return undefined;
    },
  ],
  ['Ctrl-C stops everything again', async () => `${Math.round(await stop())} ms`],
];

let passed = 0;
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, async () => {
    if (interrupted) return;
    interrupted = true;
    console.error(`smoke: ending everything (${signal})`);
    await endAll();
    process.exit(128 + constants.signals[signal]);
  });

try {
  for (const [name, run] of steps) {
    const detail = await run();
    passed++;
    console.log(`✓ ${name}${detail ? ` (${detail})` : ''}`);
  }
} catch (error) {
  if (!interrupted) console.error(`✗ ${steps[passed]?.[0]}\n`, error, `\nnpm start said:\n${output()}`);
  process.exitCode = 1;
} finally {
  await endAll();
}
if (!interrupted) console.log(`smoke: ${passed} passed, ${passed === steps.length ? 0 : 1} failed`);
