/** Whether an outage of the store is felt by who submits: two systems side by side, one of them without its store for the whole time. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../free-port.ts';
import { testRedis } from '../test-redis.ts';
import { type Bench, each, inTurns } from './bench.ts';
import { chatRequest, httpLatencies } from './http-load.ts';
import { NO_LIMITS, startApi, startRelay, startRunner } from './program.ts';
import type { Section } from './report.ts';

const ROUNDS = 9;
const ROUND_MS = 2_000;
/** Few enough that the system keeps up: what is measured is a submit, not a queue of them. */
const IN_FLIGHT = 2;

const percentile = (values: number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? Number.NaN;

/** A whole system with the built-in responder, which ends tasks as fast as they come. */
async function system({ open, how }: Bench, store: Record<string, string>) {
  const redis = await open(testRedis());
  const dataDir = mkdtempSync(join(tmpdir(), 'beanline-bench-'));
  await open({ stop: () => rmSync(dataDir, { recursive: true, force: true }) });
  const env = { REDIS_URL: redis.url, ...NO_LIMITS, OLLAMA_HOST: 'off', DATA_DIR: dataDir, DRAIN_MS: '0', ...store };
  const api = await open(startApi(env, how));
  await open(startRunner({ ...env, DEFAULT_MODEL: 'builtin/extract' }, how));
  await open(startRelay(env, how));
  const post = { port: api.port, request: () => chatRequest(api.port), status: 202, forMs: ROUND_MS };
  return {
    submit: () => httpLatencies({ ...post, inFlight: IN_FLIGHT }).then((times) => percentile(times, 0.99)),
    /** What `/readyz` says of the store. */
    async store() {
      const response = await fetch(`${api.url}/readyz`);
      return ((await response.json()) as { checks: { store: string } }).checks.store;
    },
  };
}

export async function storeAway(bench: Bench): Promise<Section[]> {
  const there = await system(bench, {});
  const away = await system(bench, { MONGODB_URI: `mongodb://127.0.0.1:${await freePort()}` });
  const p99 = await inTurns({ there: there.submit, away: away.submit }, { rounds: ROUNDS, warmUps: 2, restMs: 200 });
  const said = [await there.store(), await away.store()];
  if (said.join() !== 'ok,away') throw new Error(`the stores were ${said}`);
  return [
    {
      title: `Submit, ${IN_FLIGHT} in flight, 99th percentile`,
      about: `Two whole systems side by side for ${(2 * (ROUNDS + 2) * ROUND_MS) / 1_000} s, one of them without its store for all that time.`,
      rows: [
        { name: 'store there', unit: 'ms', values: p99.there },
        { name: 'store away', unit: 'ms', values: p99.away },
        { name: 'away ÷ there', unit: '', values: each(p99.away, p99.there), goal: { atMost: 1.05 } },
      ],
    },
  ];
}
