/** How long a task is without a runner after its runner was killed: until its next attempt begins, in units of the lock. */
import { setTimeout as delay } from 'node:timers/promises';
import { testRedis } from '../../testing/test-redis.ts';
import type { Bench, BenchPart } from '../bench.ts';
import { startBenchProgram, startRunner } from '../program.ts';
import type { Section } from '../report.ts';
import { benchTasks } from '../tasks.ts';

const LOCK_MS = 10_000;
const KILLS = 8;
/** Locks are renewed each quarter of their time at least: the kills come at every phase of that. */
const BETWEEN_MS = LOCK_MS / 4 / KILLS;
const STUCK_MS = 4 * LOCK_MS;

async function measure({ open, how }: Bench): Promise<Section[]> {
  const redis = await open(testRedis());
  const upstream = await open(startBenchProgram('upstream', [], how));
  const tasks = await open(benchTasks(redis.url));
  const env = {
    REDIS_URL: redis.url,
    OPENAI_BASE_URL: `${upstream.url}/v1`,
    OPENAI_API_KEY: 'bench',
    LOCK_DURATION_MS: String(LOCK_MS),
    DRAIN_MS: '0',
  };

  async function eventually<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    for (const deadline = performance.now() + STUCK_MS; ; await delay(10)) {
      const found = await look();
      if (found !== undefined) return found;
      if (performance.now() > deadline) throw new Error(`${what} did not happen within ${STUCK_MS} ms`);
    }
  }
  /** Where and when an attempt began; undefined before. */
  async function started(id: string, attempt: number) {
    const rows = await tasks.redis.xrange(tasks.keys.log(0, id), `${attempt}`, '+');
    const row = rows.find(([eventId, fields]) => eventId.startsWith(`${attempt}-`) && fields[1] === 'started');
    return row && { at: Number(row[1][3]), worker: String(JSON.parse(row[1][7] ?? '{}').worker) };
  }

  // One slot each: every victim holds one task.
  const victims = await Promise.all(
    Array.from({ length: KILLS }, () => open(startRunner({ ...env, QUEUES: 'chat.request:1' }, how))),
  );
  const input = { messages: [{ role: 'user', content: 'Go on.' }], model: `wait-${10 * STUCK_MS}`, max_tokens: 1 };
  const created = await Promise.all(Array.from({ length: KILLS }, () => tasks.create(input)));
  await tasks.add(created);
  const held = await Promise.all(
    created.map(({ id }) =>
      eventually('the first attempt', () => started(id, 1)).then(({ worker }) => ({ id, worker })),
    ),
  );
  await open(startRunner(env, how));

  const killed: { id: string; at: number }[] = [];
  for (const victim of victims) {
    const task = held.find(({ worker }) => worker.endsWith(`:${victim.pid}`));
    if (!task) throw new Error('a runner took no task');
    const at = Date.now();
    await victim.kill();
    killed.push({ id: task.id, at });
    await delay(BETWEEN_MS);
  }
  const tookMs = await Promise.all(
    killed.map(async ({ id, at }) => (await eventually('the recovery', () => started(id, 2))).at - at),
  );
  if (tookMs.some((ms) => ms <= 0)) throw new Error('an attempt had ended before its runner was killed');
  return [
    {
      title: `Recovery after SIGKILL of a runner, ${KILLS} kills, lock ${LOCK_MS / 1_000} s`,
      about:
        'From the kill to the `started` of the next attempt at another runner. Kills come at every phase of the renewal of the lock.',
      rows: [
        { name: 'from the kill to the next attempt', unit: 's', values: tookMs.map((ms) => ms / 1_000) },
        {
          name: 'in units of the lock',
          unit: '× lock',
          values: tookMs.map((ms) => ms / LOCK_MS),
          goal: { atMost: 1.5 },
          judged: 'max',
        },
      ],
    },
  ];
}

export const recovery: BenchPart = { name: 'recovery', measure };
