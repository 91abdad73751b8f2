/** Whether poll and submit stay as fast when many ended tasks are kept: two systems side by side, with 10 and 200,000. */
import { setTimeout as delay } from 'node:timers/promises';
import { createRetention } from '@beanline/shared/outbox/retention.ts';
import { makeTaskId } from '@beanline/shared/task-id.ts';
import { testRedis } from '../../testing/test-redis.ts';
import { type Bench, type BenchPart, each, inTurns } from '../bench.ts';
import { chatRequest, getRequest, httpLoad } from '../http-load.ts';
import { NO_LIMITS, startApi } from '../program.ts';
import type { Section } from '../report.ts';
import { benchTasks, OWNER } from '../tasks.ts';

const FEW = 10;
const MANY = 200_000;
const ROUNDS = 9;
const ROUND_MS = 500;
const IN_FLIGHT = 10;
const DAY_MS = 86_400_000;
const COPIES_AT_ONCE = 2_000;
const COMPARED = 25;

/** Copies of a task that lack nothing: no key of a task holds its id. KEYS record, log, input; ARGV ids. */
const COPY = `
for i = 1, #ARGV do
  for j = 1, 3 do redis.call('COPY', KEYS[j], (string.gsub(KEYS[j], 'task_%w+$', ARGV[i]))) end
end`;

/** A system that keeps `count` ended tasks: ten by the real scripts, the rest copies of these. */
async function system({ open, how }: Bench, count: number) {
  // A rewrite of the append-only file would fall into the measurement of one of the two.
  const redis = await open(testRedis({ args: ['--auto-aof-rewrite-percentage', '0'] }));
  const tasks = await open(benchTasks(redis.url));
  const retention = createRetention(tasks.redis, tasks.keys);
  const originals: string[] = [];
  for (let i = 0; i < FEW; i++) {
    const { ref, say, lastId } = await tasks.running({ messages: [{ role: 'user', content: 'Go on.' }] });
    for (let j = 0; j < 3; j++) await say('A few words of an answer. ');
    const verdict = await tasks.scripts.finish(ref, {
      after: lastId(),
      entries: [],
      status: 'completed',
      output: JSON.stringify({ role: 'assistant', content: 'A few words of an answer. '.repeat(3) }),
      error: null,
      usage: { inputTokens: 3, outputTokens: 18, estimated: false },
    });
    if (verdict !== 'finished') throw new Error(`a task was not finished: ${verdict}`);
    originals.push(ref.id);
  }

  const ids = [...originals];
  const now = Date.now();
  while (ids.length < count) {
    const original = originals[((ids.length / COPIES_AT_ONCE) % FEW) | 0] ?? '';
    const copies = Array.from({ length: Math.min(COPIES_AT_ONCE, count - ids.length) }, (_, i) =>
      makeTaskId(now - ids.length - i, 0),
    );
    const keys = [tasks.keys.task(0, original), tasks.keys.log(0, original), tasks.keys.input(0, original)];
    await tasks.redis.eval(COPY, keys.length, ...keys, ...copies);
    await tasks.redis.zadd(tasks.keys.owner(0, OWNER), ...copies.flatMap((id) => ['0', id]));
    ids.push(...copies);
  }
  // As the relay does with what has ended.
  for (let i = 0; i < ids.length; i += COPIES_AT_ONCE)
    await retention.keep(0, ids.slice(i, i + COPIES_AT_ONCE), DAY_MS);
  await tasks.redis.xtrim(tasks.keys.outbox(0), 'MAXLEN', 0);

  const api = await open(startApi({ REDIS_URL: redis.url, ...NO_LIMITS, DRAIN_MS: '0' }, how));
  const any = () => ids[Math.floor(Math.random() * ids.length)] ?? '';
  const load = (request: () => string, status: number) =>
    httpLoad({ port: api.port, request, status, forMs: ROUND_MS, inFlight: IN_FLIGHT }).then((rate) => 1_000 / rate);

  /** Through the API a copy is as its original, but for the id. */
  async function check() {
    const read = async (id: string) => {
      const texts = await Promise.all(
        ['', '/events'].map(async (rest) => (await fetch(`${api.url}/tasks/${id}${rest}`)).text()),
      );
      return texts.join('\n').replaceAll(id, '<id>');
    };
    const expected = await Promise.all(originals.map(read));
    for (let i = 0; i < COMPARED; i++) {
      const text = await read(any());
      if (!text.includes('event: done') || !expected.includes(text)) throw new Error(`a copy differs:\n${text}`);
    }
    const kept = await tasks.redis.zcard(tasks.keys.archived(0));
    if (kept !== count) throw new Error(`${kept} tasks are kept instead of ${count}`);
  }
  await check();
  await delay(1_000);
  return {
    poll: () => load(() => getRequest(api.port, `/tasks/${any()}`), 200),
    submit: () => load(() => chatRequest(api.port), 202),
  };
}

async function measure(bench: Bench): Promise<Section[]> {
  const few = await system(bench, FEW);
  const many = await system(bench, MANY);
  const turns = { rounds: ROUNDS, warmUps: 2, restMs: 50 };
  const poll = await inTurns({ few: few.poll, many: many.poll }, turns);
  const submit = await inTurns({ few: few.submit, many: many.submit }, turns);
  const names = [FEW, MANY].map((count) => `${count.toLocaleString('en')} kept`);
  return (
    [
      ['Poll', poll],
      ['Submit', submit],
    ] as const
  ).map(([what, times]) => ({
    title: `${what}, ${IN_FLIGHT} in flight, time per request`,
    about: 'Two systems side by side. Most ended tasks are copies of real ones inside Redis, checked through the API.',
    rows: [
      { name: names[0] ?? '', unit: 'ms', values: times.few },
      { name: names[1] ?? '', unit: 'ms', values: times.many },
      { name: `${names[1]} ÷ ${names[0]}`, unit: '', values: each(times.many, times.few), goal: { atMost: 1.1 } },
    ],
  }));
}

export const kept: BenchPart = { name: 'kept', measure };
