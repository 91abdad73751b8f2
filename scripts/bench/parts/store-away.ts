/**
 * Whether an outage of the store is felt by who submits, and what it leaves behind: two whole systems side by side, the
 * store of one of them hanging for half a minute under load. Then its backlog drains, and nothing may be missing.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { holdStoreFile, openStoreFile } from '../../testing/store-file.ts';
import { testRedis } from '../../testing/test-redis.ts';
import { type Bench, type BenchPart, each, inTurns } from '../bench.ts';
import { chatRequest, httpLatencies } from '../http-load.ts';
import { NO_LIMITS, startApi, startRelay, startRunner } from '../program.ts';
import type { Section } from '../report.ts';

const ROUNDS = 8;
const ROUND_MS = 1_500;
const REST_MS = 200;
/** Few enough that the system keeps up: what is measured is a submit, not a queue of them. */
const IN_FLIGHT = 2;
const DRAINED_MS = 120_000;

const percentile = (values: number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? Number.NaN;

/** A whole system with the built-in responder, which ends tasks as fast as they come. */
async function system({ open, how }: Bench) {
  const redis = await open(testRedis());
  const dataDir = mkdtempSync(join(tmpdir(), 'beanline-bench-'));
  await open({ stop: () => rmSync(dataDir, { recursive: true, force: true }) });
  const env = { REDIS_URL: redis.url, ...NO_LIMITS, OLLAMA_HOST: 'off', DATA_DIR: dataDir, DRAIN_MS: '0' };
  const api = await open(startApi(env, how));
  await open(startRunner({ ...env, DEFAULT_MODEL: 'builtin/extract' }, how));
  await open(startRelay(env, how));
  const post = { port: api.port, request: () => chatRequest(api.port), status: 202, forMs: ROUND_MS };
  let submitted = 0;

  const stored = () => {
    const database = openStoreFile(join(dataDir, 'store.db'), { readOnly: true });
    try {
      return Number(database.prepare('SELECT count(*) AS tasks FROM tasks').get()?.tasks);
    } finally {
      database.close();
    }
  };
  return {
    async submit(): Promise<number> {
      const times = await httpLatencies({ ...post, inFlight: IN_FLIGHT });
      submitted += times.length;
      return percentile(times, 0.99);
    },
    /** What `/readyz` says of the store, once it knows. */
    async said(): Promise<string> {
      for (;;) {
        const response = await fetch(`${api.url}/readyz`);
        const { store } = ((await response.json()) as { checks: { store: string } }).checks;
        if (store !== 'unknown') return store;
        await delay(200);
      }
    },
    /** Holds the one lock of writers, as a disk that hangs: no write of the store ends. Gives how to let go. */
    hang(): () => void {
      const database = holdStoreFile(join(dataDir, 'store.db'));
      return () => database.close();
    },
    submitted: () => submitted,
    stored,
    /** Waits until every task that was submitted is in the store. Gives how many there were to come, and how long that took. */
    async drained(): Promise<{ backlog: number; ms: number }> {
      const startedAt = performance.now();
      const backlog = submitted - stored();
      while (stored() < submitted) {
        if (performance.now() - startedAt > DRAINED_MS) throw new Error(`${stored()} of ${submitted} are in the store`);
        await delay(50);
      }
      return { backlog, ms: performance.now() - startedAt };
    },
  };
}

async function measure(bench: Bench): Promise<Section[]> {
  const there = await system(bench);
  const away = await system(bench);
  const submits = { there: there.submit, away: away.submit };
  await inTurns(submits, { rounds: 2, warmUps: 0, restMs: REST_MS });
  await there.drained();
  await away.drained();
  const before = away.stored();
  const letGo = away.hang();
  const hungAt = performance.now();
  const p99 = await inTurns(submits, { rounds: ROUNDS, warmUps: 0, restMs: REST_MS });
  while (performance.now() - hungAt < 30_000) await delay(100);
  const said = [await there.said(), await away.said()];
  if (said.join() !== 'ok,away') throw new Error(`the stores were ${said}`);
  if (away.stored() !== before) throw new Error('the store that hangs has taken tasks');
  letGo();
  const hungMs = performance.now() - hungAt;
  const { backlog, ms } = await away.drained();
  return [
    {
      title: `Submit, ${IN_FLIGHT} in flight, 99th percentile`,
      about: `Two whole systems side by side; the store of one of them takes no write for ${(hungMs / 1_000).toFixed(0)} s, and then drains: each of the ${backlog.toLocaleString('en')} tasks of that time must be in it.`,
      rows: [
        { name: 'store there', unit: 'ms', values: p99.there },
        { name: 'store away', unit: 'ms', values: p99.away },
        { name: 'away ÷ there', unit: '', values: each(p99.away, p99.there), goal: { atMost: 1.05 } },
        { name: 'tasks drained afterwards', unit: 'per s', values: [(1_000 * backlog) / ms] },
      ],
    },
  ];
}

export const storeAway: BenchPart = { name: 'store-away', measure };
