/** A deploy, five times over, under load: each role's processes are replaced one at a time, and no client notices. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startBalancer } from '../testing/balancer.ts';
import { type ClientEvent, chat, checkEnded, readStream, visibleText } from '../testing/client.ts';
import type { Program } from '../testing/system.ts';
import { until } from '../testing/until.ts';
import { numberedWords, slowWords } from '../testing/upstream.ts';
import { checkClean, startFaults } from './checks.ts';

const ROUNDS = 5;
const CLIENTS = 6;
/** Many of the balancer's health checks, which a busy machine may starve; whoever serves goes on for longer. */
const LEAVE_MS = 3_000;
const API_DRAIN_MS = 4_000;
const RUNNER_DRAIN_MS = 1_000;
const PATIENCE_MS = 40_000;
/** Words and their pace: from tasks that end within the drain time to those that are handed back. */
const PACES = [
  [5, 10],
  [20, 20],
  [30, 50],
  [15, 120],
] as const;

type Done = { id: string; prompt: string; count: number; calls: unknown[] };

test('a rolling restart of every role, five times under load, fails no request and loses, repeats and spends nothing', async (t) => {
  const env = {
    DRAIN_MS: String(API_DRAIN_MS),
    LEAVE_MS: String(LEAVE_MS),
    QUEUES: 'chat.request:20',
  };
  const system = await startFaults({ apis: 2, runners: 0, relays: 2, env });
  t.after(system.stop);
  const startRunner = () => system.startRunner({ DRAIN_MS: String(RUNNER_DRAIN_MS) });
  const runners = await Promise.all([startRunner(), startRunner()]);
  const ports = system.apis.map(({ port }) => port);
  const balancer = await startBalancer(ports);
  t.after(balancer.stop);
  const { url } = balancer;
  let requests = 0;

  /** One request: what is not a success fails the test. There is no second try. */
  async function ask(path: string, init: RequestInit = {}) {
    requests++;
    const response = await fetch(`${url}${path}`, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!response.ok) assert.fail(`${init.method ?? 'GET'} ${path}: ${response.status} ${await response.text()}`);
    return response;
  }

  /** One reader: it comes back with its last id when a stream ends; a stream that breaks instead of ending is a failure. */
  async function follow(id: string, first?: Response): Promise<ClientEvent[]> {
    const seen: ClientEvent[] = [];
    for (let stream = first; ; stream = undefined) {
      const last = seen.at(-1)?.id;
      stream ??= await ask(`/tasks/${id}/events`, last === undefined ? {} : { headers: { 'Last-Event-ID': last } });
      for await (const event of readStream(stream)) {
        seen.push(event);
        if (event.type === 'done') return seen;
      }
      await delay(20);
    }
  }

  async function pollToEnd(id: string) {
    for (;;) {
      // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever a task holds
      const task = (await (await ask(`/tasks/${id}?wait=5`)).json()) as any;
      if (task.ended_at) return task;
    }
  }

  const done: Done[] = [];
  let leaving = false;
  const ways = ['follow', 'poll', 'wait', 'stream'] as const;

  async function client(number: number) {
    for (let turn = number; !leaving; turn++) {
      const [count, paceMs] = PACES[turn % PACES.length] ?? PACES[0];
      const way = ways[(turn >> 2) % ways.length];
      const { prompt, calls } = system.model(slowWords(count, paceMs));
      const answer = await ask('/api/chat', {
        method: 'POST',
        body: JSON.stringify(chat(prompt)),
        headers: {
          'Content-Type': 'application/json',
          'Idempotency-Key': prompt.replace(' ', '-'),
          ...(way === 'wait' ? { Prefer: 'wait=20' } : {}),
          ...(way === 'stream' ? { Accept: 'text/event-stream' } : {}),
        },
      });
      const id = (answer.headers.get('location') ?? '').replace('/tasks/', '');
      if (way === 'stream') assert.equal(visibleText(await follow(id, answer)), numberedWords(count).join(''));
      else await answer.text();
      if (way === 'follow') assert.equal(visibleText(await follow(id)), numberedWords(count).join(''));
      if (way === 'poll' || way === 'wait') {
        assert.equal((await pollToEnd(id)).output.content, numberedWords(count).join(''));
      }
      done.push({ id, prompt, count, calls });
    }
  }

  /** Replaces the processes of one role, one after the other; one that needs no port of the old one starts meanwhile. */
  async function roll<P extends Program>(programs: P[], replace: (old: P, stopped: Promise<void>) => Promise<P>) {
    for (let round = 0; round < ROUNDS; round++) {
      for (const [index, old] of programs.entries()) {
        if (leaving) return;
        // As process groups and wrappers do, which pass a signal on that came to all.
        old.child.kill('SIGTERM');
        const stopped = old.signal('SIGTERM');
        programs[index] = await replace(old, stopped);
        await stopped;
        assert.deepEqual([old.child.exitCode, old.child.signalCode], [0, null], old.log());
      }
    }
  }

  const startedAt = performance.now();
  // What fails ends the rest soon, instead of after all rounds.
  const leave = () => {
    leaving = true;
  };
  const load = Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number))).finally(leave);
  const rolls = Promise.all([
    roll([...system.apis], async ({ port }, stopped) => {
      await stopped;
      const api = await system.startApi({}, port);
      await until('the balancer knows', () => balancer.ready(port));
      return api;
    }),
    roll(runners, startRunner),
    roll([...system.relays], () => system.startRelay()),
  ]).finally(leave);
  const [rolled, loaded] = await Promise.allSettled([rolls, load]);
  for (const end of [loaded, rolled]) if (end.status === 'rejected') throw end.reason;
  const rolledMs = performance.now() - startedAt;

  let handedBack = 0;
  for (const { id, prompt, count, calls } of done) {
    const seen = await follow(id);
    await checkEnded(url, id, seen);
    assert.equal(visibleText(seen), numberedWords(count).join(''), prompt);
    const reasons = seen.flatMap(({ type, data }) => (type === 'retrying' ? [data.reason] : []));
    assert.deepEqual(new Set(reasons).difference(new Set(['shutting_down'])), new Set(), prompt);
    handedBack += reasons.length;
    // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever a task holds
    const task = (await (await ask(`/tasks/${id}`)).json()) as any;
    assert.deepEqual([task.status, task.failures, task.attempt], ['completed', 0, reasons.length + 1], prompt);
    assert.ok(calls.length <= task.attempt, `${calls.length} upstream calls in ${task.attempt} attempts of ${prompt}`);
    assert.equal(task.output.content, numberedWords(count).join(''));
  }
  const listed: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page = await ask(`/tasks?limit=200${cursor ? `&cursor=${cursor}` : ''}`);
    const { tasks, next_cursor } = (await page.json()) as { tasks: { task_id: string }[]; next_cursor: string | null };
    listed.push(...tasks.map(({ task_id }) => task_id));
    cursor = next_cursor;
  }
  assert.deepEqual(new Set(listed), new Set(done.map(({ id }) => id)), 'each submit made one task');
  assert.equal(listed.length, done.length);
  assert.ok(handedBack > 0, 'the restarts hit running tasks');
  t.diagnostic(
    `${ROUNDS} rounds in ${Math.round(rolledMs / 1_000)} s: ${done.length} tasks, ${requests} requests, ` +
      `${handedBack} hand-backs; passed on: ${balancer.passedOn.join(', ') || 'none'}`,
  );
  await checkClean(system);
});
