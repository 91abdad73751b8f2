/** The connections of one program to Redis, and the clock that says whether Redis is there. */
import type { Log } from '../log.ts';
import { parseRedisUrl } from './address.ts';
import { createClock } from './clock.ts';
import { createClockCheck } from './clock-check.ts';
import { type ConnectOptions, connect, connected, onLost } from './connect.ts';
import { createKeys } from './keys.ts';
import { claimRedis } from './requirements.ts';
import type { RedisVariables } from './variables.ts';

/** Silence after which the probe's connection is given up. */
const PROBE_SILENCE_MS = 3_000;
/** BullMQ blocks on its connections for up to 10 s. */
const BLOCKING_SILENCE_MS = 15_000;

/** `patience`: whether a command waits for a Redis that is away, or fails at once as an API's does. */
export function openRedis(config: RedisVariables, program: string, patience: ConnectOptions['for'], log: Log) {
  const address = parseRedisUrl(config.REDIS_URL);
  const open = (name: string, role: ConnectOptions['for'] = patience, silenceMs?: number) =>
    connect(address, {
      name: `${program}-${name}`,
      for: role,
      caFile: config.REDIS_CA_FILE,
      log,
      ...(silenceMs ? { silenceMs } : {}),
    });

  const keys = createKeys(config.KEY_PREFIX);
  const partitions = config.PARTITIONS;
  const probe = open('probe', 'api', PROBE_SILENCE_MS);
  const tasks = open('tasks');
  const queue = open('queue', patience, BLOCKING_SILENCE_MS);
  const live = open('live', 'worker');
  const others = [tasks, queue, live];
  // The probe asks all the time, so it is the first to find the way dead: the others need not find out for themselves.
  onLost(probe, others);

  const clock = createClock(probe, {
    keys,
    partitions,
    log,
    timeoutMs: config.REDIS_TIMEOUT_MS,
    // Whoever is told that Redis is there can use every connection.
    admit: async () => {
      await claimRedis(probe, keys, partitions);
      await Promise.all(others.map(connected));
    },
    used: tasks,
    others,
  });
  const clockCheck = createClockCheck(clock, { toleranceMs: config.CLOCK_TOLERANCE_MS, log });

  return {
    keys,
    partitions,
    /** `tasks` for the record and all that is read and written beside it, `queue` for BullMQ, `live` to subscribe. */
    redis: { tasks, queue, live },
    clock,
    clockCheck,
    /** The clock first, then, after all that used them has ended, the connections. */
    stopClock() {
      clock.stop();
      clockCheck.stop();
    },
    disconnect() {
      for (const connection of [live, queue, tasks, probe]) connection.disconnect();
    },
  };
}
