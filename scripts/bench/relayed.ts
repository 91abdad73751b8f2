/** A model's tokens through beanline, beside a direct call and a queue-less proxy of the official client: first token and rate. */
import { testRedis } from '../testing/test-redis.ts';
import { type Bench, each, inTurns } from './bench.ts';
import { startApi, startBenchProgram, startRunner } from './program.ts';
import { median, type Section } from './report.ts';
import { readTokens, type Target } from './stream-client.ts';

const FIRST_TOKEN_REQUESTS = 100;
/** Until the programs run the code that their compilers end up with; it takes them hundreds of requests. */
const FIRST_TOKEN_WARM_UPS = 300;
const FIRST_TOKEN_TOKENS = 5;
/** Lets every process come to rest before the next request, as on a machine that is not saturated. */
const REST_MS = 10;
const RELAY_ROUNDS = 7;
const RELAY_TOKENS = 20_000;
const WARM_UPS = 2;

type Targets = Record<'direct' | 'proxy' | 'beanline', Target>;

async function startTargets({ open, how }: Bench): Promise<Targets> {
  const redis = await open(testRedis());
  const upstream = await open(startBenchProgram('upstream', [], how));
  const env = { REDIS_URL: redis.url, OPENAI_BASE_URL: `${upstream.url}/v1`, OPENAI_API_KEY: 'bench' };
  const proxy = await open(startBenchProgram('proxy', [upstream.url], how));
  const api = await open(startApi(env, how));
  await open(startRunner(env, how));
  return {
    direct: { url: `${upstream.url}/v1/chat/completions`, mark: '"content":"word', end: 'data: [DONE]' },
    proxy: { url: `${proxy.url}/api/chat`, mark: 'event: text', end: 'event: done' },
    beanline: { url: `${api.url}/api/chat`, mark: 'event: text', end: '"usage":{' },
  };
}

/** Added time to the first token, one request at a time. */
export async function firstToken(bench: Bench): Promise<Section[]> {
  const targets = await startTargets(bench);
  const first = async (target: Target) => (await readTokens(target, 'bench', FIRST_TOKEN_TOKENS)).firstMs;
  const { direct, proxy, beanline } = await inTurns(
    {
      direct: () => first(targets.direct),
      proxy: () => first(targets.proxy),
      beanline: () => first(targets.beanline),
    },
    { rounds: FIRST_TOKEN_REQUESTS, warmUps: FIRST_TOKEN_WARM_UPS, restMs: REST_MS },
  );
  const added = (values: number[]) => median(values) - median(direct);
  return [
    {
      title: 'Time to the first token, one request at a time',
      about:
        'From the request to the first token in the response, minus what a direct call takes. The proxy is Hono and the official client, without a queue.',
      rows: [
        { name: 'direct: client → upstream', unit: 'ms', values: direct },
        { name: 'proxy: client → Hono + openai → upstream', unit: 'ms', values: proxy },
        { name: 'beanline: client → API → queue → runner → …', unit: 'ms', values: beanline },
        { name: 'added by the proxy (of medians)', unit: 'ms', values: [added(proxy)] },
        { name: 'added by beanline (of medians)', unit: 'ms', values: [added(beanline)] },
        {
          name: 'beanline added ÷ proxy added',
          unit: '',
          values: [added(beanline) / added(proxy)],
          goal: { atMost: 1.5 },
        },
      ],
    },
  ];
}

async function relayed(targets: Targets, model: 'bench' | 'joined', title: string): Promise<Section> {
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
  return {
    title,
    rows: [
      { name: 'direct', unit: 'tokens/s', values: direct },
      { name: 'proxy', unit: 'tokens/s', values: proxy },
      { name: 'beanline', unit: 'tokens/s', values: beanline },
      { name: 'beanline ÷ direct', unit: '', values: each(beanline, direct), ...goal },
      { name: 'beanline ÷ proxy', unit: '', values: each(beanline, proxy) },
    ],
  };
}

/** Tokens per second of one long stream. */
export async function relay(bench: Bench): Promise<Section[]> {
  const targets = await startTargets(bench);
  return [
    await relayed(targets, 'bench', `Relayed tokens, ${RELAY_TOKENS} in one stream, a write each`),
    await relayed(targets, 'joined', 'The same, 50 tokens a write: what the relaying itself allows'),
  ];
}
