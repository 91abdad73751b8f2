import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog, TYPE, taskRedis } from '../../../scripts/testing/task-redis.ts';
import { readConfig } from '../config.ts';
import { wire } from '../wire.ts';
import { sweepPartition } from './sweep-partition.ts';

const setup = taskRedis();
const LIMITS = { firstCheckMs: 60_000, maxCheckMs: 600_000, cancelGraceMs: 1_000 };

test('a job that a full Redis does not take holds up no other task, and is added soon after there is room', async (t) => {
  const { server, create, redis, keys, now } = setup(t, { limits: LIMITS });
  const config = readConfig({ REDIS_URL: server.url, KEY_PREFIX: keys.prefix });
  const { deps, close } = wire(config, { program: 'relay', log: silentLog });
  t.after(close);
  await deps.clock.ready();
  const lines: unknown[] = [];
  const log = { ...silentLog, warn: (...line: unknown[]) => void lines.push(line) };
  const ids = await Promise.all(Array.from({ length: 450 }, () => create()));
  const at = Math.ceil(await now());
  const clock = { ...deps.clock, now: () => at };
  const sweep = (everything = false) =>
    sweepPartition({ ...deps, clock, log }, 0, LIMITS, everything, async () => true);
  assert.equal(await sweep(true), 450);
  const [lacking = ''] = ids;
  await deps.queue.remove(TYPE, lacking);
  await redis.hset(keys.task(0, lacking), { created_at: at - 3_600_000, due_at: at - 3_600_000 });
  await redis.zadd(keys.open(0), 'XX', ...ids.flatMap((id) => [id === lacking ? 1 : 2, id]));
  const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
  await redis.config('SET', 'maxmemory', String(used >> 1));
  try {
    assert.equal(await sweep(), 450);
    assert.match(
      JSON.stringify(lines, (_, value) => (value instanceof Error ? value.message : value)),
      /OOM/,
    );
    assert.equal(lines.length, 1);
    assert.equal(await sweep(), 0);
    assert.ok((await sweep(true)) >= 450, 'it also goes on to the end of all');
  } finally {
    await redis.config('SET', 'maxmemory', '0');
  }
  const jobs = () => redis.zcard(`${keys.prefix}:{${TYPE}}:prioritized`);
  assert.equal(await jobs(), 449);
  assert.equal(Number(await redis.zscore(keys.open(0), lacking)), at + LIMITS.firstCheckMs);
  await redis.zadd(keys.open(0), 'XX', 1, lacking);
  assert.equal(await sweep(), 1);
  assert.equal(await jobs(), 450);
});
