/** What a submit costs beside the BullMQ add alone, and beside an HTTP API that does nothing. */
import { testRedis } from '../testing/test-redis.ts';
import { type Bench, each, inTurns } from './bench.ts';
import { chatRequest, httpLoad } from './http-load.ts';
import { NO_LIMITS, startApi, startBenchProgram } from './program.ts';
import type { Section } from './report.ts';

/** Requests, or adds, under way at once. */
const IN_FLIGHT = 100;
const ROUNDS = 6;
const ROUND_MS = 2_000;
/** Until the programs run the code that their compilers end up with. */
const WARM_UPS = 3;

export async function submit({ open, how }: Bench): Promise<Section[]> {
  const redis = await open(testRedis());
  const api = await open(startApi({ REDIS_URL: redis.url, ...NO_LIMITS }, how));
  const bare = await open(startBenchProgram('bare', [], how));
  const rawAdd = await open(startBenchProgram('raw-add', [redis.url, String(IN_FLIGHT)], how));
  const postTo = (port: number) =>
    httpLoad({ port, request: () => chatRequest(port), status: 202, forMs: ROUND_MS, inFlight: IN_FLIGHT });
  const { post, add, hono } = await inTurns(
    {
      post: () => postTo(api.port),
      add: () => rawAdd.ask<number>(ROUND_MS),
      hono: () => postTo(bare.port),
    },
    { rounds: ROUNDS, warmUps: WARM_UPS, restMs: 200 },
  );
  return [
    {
      title: `Submit, ${IN_FLIGHT} in flight`,
      about:
        'Keep-alive connections that post chats with nobody running them, BullMQ adding the same jobs from one process, and the API’s HTTP stack answering 202 to the same requests.',
      rows: [
        { name: 'POST /api/chat', unit: 'per s', values: post },
        { name: 'BullMQ queue.add alone', unit: 'per s', values: add },
        { name: 'bare Hono: parse, 202', unit: 'per s', values: hono },
        { name: 'POST ÷ queue.add', unit: '', values: each(post, add), goal: { atLeast: 0.45 } },
        { name: 'POST ÷ bare Hono', unit: '', values: each(post, hono) },
      ],
    },
  ];
}
