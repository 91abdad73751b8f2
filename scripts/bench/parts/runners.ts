/** How the throughput grows with runners when tasks wait for their model: one runner and eight, each with a few slots. */
import { setTimeout as delay } from 'node:timers/promises';
import { testRedis } from '../../testing/test-redis.ts';
import { type Bench, type BenchPart, each, inTurns } from '../bench.ts';
import { startBenchProgram, startRunner } from '../program.ts';
import type { Section } from '../report.ts';
import { benchTasks } from '../tasks.ts';

const RUNNERS = 8;
/** Few, so that slots are the limit and not the cores they share. */
const SLOTS = 4;
const MODEL_MS = 300;
const WAVES = 12;
const ROUNDS = 3;
const STUCK_MS = 60_000;

async function measure({ open, how }: Bench): Promise<Section[]> {
  const redis = await open(testRedis());
  const upstream = await open(startBenchProgram('upstream', [], how));
  const env = {
    REDIS_URL: redis.url,
    OPENAI_BASE_URL: `${upstream.url}/v1`,
    OPENAI_API_KEY: 'bench',
    QUEUES: `chat.request:${SLOTS}`,
  };

  /** Runners with a key prefix of their own, so that the others can rest meanwhile; gives how to measure them. */
  async function start(count: number) {
    const prefix = `runners-${count}`;
    const tasks = await open(benchTasks(redis.url, prefix));
    await Promise.all(Array.from({ length: count }, () => open(startRunner({ ...env, KEY_PREFIX: prefix }, how))));
    const input = { messages: [{ role: 'user', content: 'Go on.' }], model: `wait-${MODEL_MS}`, max_tokens: 1 };
    const number = count * SLOTS * WAVES;
    /** Tasks per second, from when they are all put on the queue to the end of the last. */
    return async () => {
      const created = await Promise.all(Array.from({ length: number }, () => tasks.create(input)));
      const startedAt = performance.now();
      await tasks.add(created);
      while ((await tasks.redis.zcard(tasks.keys.open(0))) > 0) {
        if (performance.now() - startedAt > STUCK_MS) throw new Error(`tasks did not end within ${STUCK_MS} ms`);
        await delay(5);
      }
      return (1_000 * number) / (performance.now() - startedAt);
    };
  }

  const one = await start(1);
  const eight = await start(RUNNERS);
  const rates = await inTurns({ one, eight }, { rounds: ROUNDS, warmUps: 1, restMs: 100 });
  return [
    {
      title: `Runners of ${SLOTS} slots, model calls of ${MODEL_MS} ms`,
      about:
        'Tasks put on the queue at once, until the last has ended: with few slots for each runner the model calls are the limit, not the cores.',
      rows: [
        { name: '1 runner', unit: 'tasks/s', values: rates.one },
        { name: `${RUNNERS} runners`, unit: 'tasks/s', values: rates.eight },
        { name: 'as the slots allow, 1 runner', unit: 'tasks/s', values: [(1_000 * SLOTS) / MODEL_MS] },
        { name: `${RUNNERS} ÷ 1`, unit: '', values: each(rates.eight, rates.one), goal: { atLeast: 7.5 } },
      ],
    },
  ];
}

export const runners: BenchPart = { name: 'runners', measure };
