/** The ways of a model's tokens to a client that the bench compares: one reader, one upstream, each way programs of its own. */
import { testRedis } from '../testing/test-redis.ts';
import type { Bench } from './bench.ts';
import { redisPid } from './processor-time.ts';
import { type How, startApi, startBenchProgram, startRunner } from './program.ts';
import type { Target } from './stream-client.ts';

/** beanline, and the processes that it consists of. */
type Whole = Target & { pids: number[] };

export type Ways = Record<'direct' | 'proxy' | 'plain', Target> & { beanline: Whole; other?: Whole };

export const ABOUT_WAYS =
  'The proxy is Hono and the official client, without a queue. Plain is what people would build: Hono, `queue.add`, a worker with the official client that publishes each token, and SSE from the subscription; nothing keeps the tokens.';

export async function startWays({ open, how, other }: Bench): Promise<Ways> {
  const upstream = await open(startBenchProgram('upstream', [], how));
  const proxy = await open(startBenchProgram('proxy', [upstream.url], how));

  const plainRedis = await open(testRedis());
  const plain = await open(startBenchProgram('plain-api', [plainRedis.url], how));
  await open(startBenchProgram('plain-worker', [plainRedis.url, upstream.url], how));

  async function beanline(how: How): Promise<Whole> {
    const redis = await open(testRedis());
    const env = { REDIS_URL: redis.url, OPENAI_BASE_URL: `${upstream.url}/v1`, OPENAI_API_KEY: 'bench' };
    const api = await open(startApi(env, how));
    const runner = await open(startRunner(env, how));
    const pids = [api.pid, runner.pid, await redisPid(redis)];
    return { url: `${api.url}/api/chat`, mark: 'event: text', end: '"usage":{', pids };
  }

  return {
    direct: { url: `${upstream.url}/v1/chat/completions`, mark: '"content":"word', end: 'data: [DONE]' },
    proxy: { url: `${proxy.url}/api/chat`, mark: 'event: text', end: 'event: done' },
    plain: { url: `${plain.url}/api/chat`, mark: '"content":"word', end: 'data: [DONE]' },
    beanline: await beanline(how),
    ...(other && { other: await beanline(other) }),
  };
}
