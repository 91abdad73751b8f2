/**
 * `npm run bench`: what the queue costs, measured against doing without it, side by side in one run of under three
 * minutes. Variants take turns, so that a noisy machine is unfair to none; every program is a process of its own.
 * `-- --only submit|first-token|relay` runs one part, `-- --cpu-prof <dir>` leaves a CPU profile of every process.
 */
import { availableParallelism, cpus } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Profile, startApi, startBenchProgram, startRunner } from './bench/program.ts';
import { median, section } from './bench/report.ts';
import { readTokens, type Target } from './bench/stream-client.ts';
import { IN_FLIGHT, postLoad } from './bench/submit-load.ts';
import { type TestRedis, testRedis } from './test-redis.ts';

const SUBMIT_ROUNDS = 6;
const SUBMIT_MS = 2_000;
const FIRST_TOKEN_REQUESTS = 100;
const FIRST_TOKEN_TOKENS = 5;
/** Lets every process come to rest before the next request, as on a machine that is not saturated. */
const REST_MS = 10;
const RELAY_ROUNDS = 7;
const RELAY_TOKENS = 20_000;
const WARM_UPS = 2;

const { values: options } = parseArgs({ options: { only: { type: 'string' }, 'cpu-prof': { type: 'string' } } });
const profile: Profile = options['cpu-prof'] === undefined ? undefined : { dir: options['cpu-prof'] };
const wanted = (part: string) => options.only === undefined || options.only === part;

type Stoppable = { stop(): Promise<void> };
const opened: Stoppable[] = [];
async function open<T extends Stoppable>(starting: Promise<T>): Promise<T> {
  const started = await starting;
  opened.push(started);
  return started;
}
async function closeAll() {
  for (const program of opened.splice(0).reverse()) await program.stop();
}

/** Runs the variants in turn, `rounds` times, after warm-ups that do not count. */
async function inTurns<Name extends string>(
  variants: Record<Name, () => Promise<number>>,
  { rounds, warmUps, restMs = 0 }: { rounds: number; warmUps: number; restMs?: number },
): Promise<Record<Name, number[]>> {
  const names = Object.keys(variants) as Name[];
  const results = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = -warmUps; round < rounds; round++) {
    for (const name of names) {
      const value = await variants[name]();
      if (round >= 0) results[name].push(value);
      await delay(restMs);
    }
  }
  return results;
}

const each = (above: number[], below: number[]) => above.map((value, index) => value / (below[index] ?? Number.NaN));
const programEnv = (redis: TestRedis) => ({
  REDIS_URL: redis.url,
  MAX_QUEUE_TASKS: '1000000',
  MAX_OWNER_TASKS: '1000000',
});

async function submit(redis: TestRedis) {
  const api = await open(startApi(programEnv(redis), profile));
  const bare = await open(startBenchProgram('bare', [], profile));
  const rawAdd = await open(startBenchProgram('raw-add', [redis.url], profile));
  const { post, add, hono } = await inTurns(
    {
      post: () => postLoad(api.port, SUBMIT_MS),
      add: () => rawAdd.ask(SUBMIT_MS),
      hono: () => postLoad(bare.port, SUBMIT_MS),
    },
    { rounds: SUBMIT_ROUNDS, warmUps: 1, restMs: 200 },
  );
  await closeAll();
  return section(
    `Submit, ${IN_FLIGHT} in flight`,
    [
      { name: 'POST /api/chat', unit: 'per s', values: post },
      { name: 'BullMQ queue.add alone', unit: 'per s', values: add },
      { name: 'bare Hono: parse, 202', unit: 'per s', values: hono },
    ],
    [
      { name: 'POST ÷ queue.add', values: each(post, add), goal: { atLeast: 0.45 } },
      { name: 'POST ÷ bare Hono', values: each(post, hono) },
    ],
  );
}

async function startRelayed(redis: TestRedis): Promise<Record<'direct' | 'proxy' | 'beanline', Target>> {
  const upstream = await open(startBenchProgram('upstream', [], profile));
  const env = {
    ...programEnv(redis),
    OPENAI_BASE_URL: `${upstream.url}/v1`,
    OPENAI_API_KEY: 'bench',
    DEFAULT_MODEL: 'openai/bench',
  };
  const proxy = await open(startBenchProgram('proxy', [upstream.url], profile));
  const api = await open(startApi(env, profile));
  await open(startRunner(env, profile));
  return {
    direct: { url: `${upstream.url}/v1/chat/completions`, mark: '"content":"word', end: 'data: [DONE]' },
    proxy: { url: `${proxy.url}/api/chat`, mark: 'event: text', end: 'event: done' },
    beanline: { url: `${api.url}/api/chat`, mark: 'event: text', end: '"usage":{' },
  };
}

async function firstToken(targets: Record<'direct' | 'proxy' | 'beanline', Target>) {
  const first = async (target: Target) => (await readTokens(target, 'bench', FIRST_TOKEN_TOKENS)).firstMs;
  const { direct, proxy, beanline } = await inTurns(
    {
      direct: () => first(targets.direct),
      proxy: () => first(targets.proxy),
      beanline: () => first(targets.beanline),
    },
    { rounds: FIRST_TOKEN_REQUESTS, warmUps: 60, restMs: REST_MS },
  );
  const added = (values: number[]) => median(values) - median(direct);
  return section(
    `Time to the first token, one request at a time`,
    [
      { name: 'direct: client → upstream', unit: 'ms', values: direct },
      { name: 'proxy: client → Hono + openai → upstream', unit: 'ms', values: proxy },
      { name: 'beanline: client → API → queue → runner → …', unit: 'ms', values: beanline },
      { name: 'added by the proxy (of medians)', unit: 'ms', values: [added(proxy)] },
      { name: 'added by beanline (of medians)', unit: 'ms', values: [added(beanline)] },
    ],
    [{ name: 'beanline added ÷ proxy added', values: [added(beanline) / added(proxy)], goal: { atMost: 1.5 } }],
  );
}

async function relay(
  targets: Record<'direct' | 'proxy' | 'beanline', Target>,
  model: 'bench' | 'joined',
  title: string,
) {
  const rate = async (target: Target) => {
    const { wholeMs, words } = await readTokens(target, model, RELAY_TOKENS);
    if (words !== RELAY_TOKENS) throw new Error(`${target.url} gave ${words} of ${RELAY_TOKENS} tokens`);
    return (1_000 * RELAY_TOKENS) / wholeMs;
  };
  const { direct, proxy, beanline } = await inTurns(
    { direct: () => rate(targets.direct), proxy: () => rate(targets.proxy), beanline: () => rate(targets.beanline) },
    { rounds: RELAY_ROUNDS, warmUps: WARM_UPS, restMs: 100 },
  );
  const goal = model === 'bench' ? { goal: { atLeast: 0.4 } } : {};
  return section(
    title,
    [
      { name: 'direct', unit: 'tokens/s', values: direct },
      { name: 'proxy', unit: 'tokens/s', values: proxy },
      { name: 'beanline', unit: 'tokens/s', values: beanline },
    ],
    [
      { name: 'beanline ÷ direct', values: each(beanline, direct), ...goal },
      { name: 'beanline ÷ proxy', values: each(beanline, proxy) },
    ],
  );
}

const startedAt = performance.now();
const redis = await testRedis();
try {
  console.log(`beanline bench: Node ${process.version}, ${availableParallelism()} × ${cpus()[0]?.model.trim()}
Loopback; Redis with AOF each second; the API, the runner, the upstream, the proxy, bare Hono and the raw adds are a
process each, the client is this one, and all share the cores. Variants take turns; ratios compare within one turn.
`);
  if (wanted('submit')) console.log(await submit(redis));
  if (wanted('first-token') || wanted('relay')) {
    const targets = await startRelayed(redis);
    if (wanted('first-token')) console.log(await firstToken(targets));
    if (wanted('relay')) {
      console.log(await relay(targets, 'bench', `Relayed tokens, ${RELAY_TOKENS} in one stream, a write each`));
      console.log(await relay(targets, 'joined', 'The same, 50 tokens a write: what the relaying itself allows'));
    }
  }
  console.log(`${((performance.now() - startedAt) / 1_000).toFixed(0)} s`);
} finally {
  await closeAll();
  await redis.stop();
}
