/** What a run of an agent costs beside its model: five turns and eight calls, and the same loop written by hand. */
import { testRedis } from '../../testing/test-redis.ts';
import { type Bench, type BenchPart, inTurns } from '../bench.ts';
import { added } from '../blocks.ts';
import { startApi, startBenchProgram, startRunner } from '../program.ts';
import type { Section } from '../report.ts';
import { readTokens, type Target } from '../stream-client.ts';

const RUNS = 120;
const WARM_UPS = 100;
const REST_MS = 10;
/** What a way adds is a difference of medians: of so many runs each. */
const BLOCK = 40;

async function measure({ open, how }: Bench): Promise<Section[]> {
  const upstream = await open(startBenchProgram('agent-upstream', [], how));
  const byHand = await open(startBenchProgram('agent-by-hand', [upstream.url], how));
  const redis = await open(testRedis());
  const env = { REDIS_URL: redis.url, OPENAI_BASE_URL: `${upstream.url}/v1`, OPENAI_API_KEY: 'bench' };
  const api = await open(startApi(env, how));
  await open(startRunner(env, how));
  const hand: Target = { url: byHand.url, mark: 'content', end: 'seven.' };
  const ours: Target = { url: `${api.url}/api/chat/agentic`, mark: 'event: text', end: '"tool_count":8' };
  const whole = (target: Target) => async () => (await readTokens(target, 'bench', 100)).wholeMs;
  const { byHandMs, beanlineMs } = await inTurns(
    { byHandMs: whole(hand), beanlineMs: whole(ours) },
    { rounds: RUNS, warmUps: WARM_UPS, restMs: REST_MS },
  );
  return [
    {
      title: 'A run of an agent: 5 model turns, 8 tool calls, one run at a time',
      about:
        'From the request to the end of the answer; the model answers at once. By hand: the loop on the official client, in the process that is asked, which keeps nothing and shows nothing meanwhile.',
      rows: [
        { name: 'by hand', unit: 'ms', values: byHandMs },
        { name: 'beanline: client → API → queue → runner → …', unit: 'ms', values: beanlineMs },
        { name: 'added by beanline', unit: 'ms', values: added(beanlineMs, byHandMs, BLOCK), goal: { atMost: 25 } },
      ],
    },
  ];
}

export const agents: BenchPart = { name: 'agents', measure };
