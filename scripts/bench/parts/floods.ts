/**
 * What the floods of one owner do to the requests of another, side by side with an idle API, and the memory that each takes.
 * A flood begins with what is measured beside it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { testRedis } from '../../testing/test-redis.ts';
import { type Bench, type BenchPart, each } from '../bench.ts';
import { bodies } from '../floods/bodies.ts';
import { API_KEYS, type Flood, type Place } from '../floods/flood.ts';
import { lists } from '../floods/lists.ts';
import { type QuietRound, quietOwner } from '../floods/quiet-owner.ts';
import { answerReaders, logReaders } from '../floods/stuck-readers.ts';
import { writer } from '../floods/writer.ts';
import { NO_LIMITS, startApi, startBenchProgram } from '../program.ts';
import type { Row, Section } from '../report.ts';

const ROUNDS = 5;
const WARM_UPS = 1;
const REST_MS = 500;
/** Another owner's requests may take so many times as long beside a flood. */
const GOAL = 3;
const MEMORY_GOAL_MB = 200;

/** In the order in which they are prepared: first what needs the store. */
const FLOODS = [logReaders, answerReaders, lists, bodies, writer];

/** The most memory that a process has had since it was forgotten, in bytes. Linux only. */
const peakMemory = {
  forget: (pid: number) => writeFileSync(`/proc/${pid}/clear_refs`, '5'),
  read: (pid: number) => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024,
};

function rowsOf(idle: QuietRound[], flooded: QuietRound[], megabytes: number[]): Row[] {
  const rows = (['submit', 'write to a session'] as const).flatMap((request): Row[] => {
    const of = (rounds: QuietRound[], what: 'median' | 'longest') => rounds.map(({ times }) => times[request][what]);
    const [before, beside] = [of(idle, 'median'), of(flooded, 'median')];
    return [
      { name: `${request}, idle`, unit: 'ms', values: before },
      { name: `${request}, beside it`, unit: 'ms', values: beside },
      { name: `${request}, beside it, the longest`, unit: 'ms', values: of(flooded, 'longest') },
      { name: `${request}, beside it ÷ idle`, unit: '', values: each(beside, before), goal: { atMost: GOAL } },
    ];
  });
  const refused = flooded.map((round) => round.refused);
  return [
    ...rows,
    { name: 'requests of the other owner refused', unit: '', values: refused, goal: { atMost: 0 } },
    {
      name: 'memory of the API above rest, at its highest',
      unit: 'MB',
      values: megabytes,
      goal: { atMost: MEMORY_GOAL_MB },
    },
  ];
}

async function beside(
  place: Place,
  { name, about, prepare }: Flood,
  quiet: () => Promise<QuietRound>,
): Promise<Section> {
  const { flooder, api } = place;
  const asked = await prepare(place);
  const idle: QuietRound[] = [];
  const flooded: QuietRound[] = [];
  const megabytes: number[] = [];
  for (let round = -WARM_UPS; round < ROUNDS; round++) {
    const before = await quiet();
    const rest = await api.settle();
    peakMemory.forget(api.pid);
    await flooder.ask({ flood: { ...asked, port: api.port } });
    const during = await quiet();
    await flooder.ask({ stop: true });
    if (round >= 0) {
      idle.push(before);
      flooded.push(during);
      megabytes.push((peakMemory.read(api.pid) - rest.rss) / 1e6);
    }
    await delay(REST_MS);
  }
  return {
    title: `Requests of an owner beside a flood of another: ${name}`,
    about,
    rows: rowsOf(idle, flooded, megabytes),
  };
}

async function measure(bench: Bench): Promise<Section[]> {
  const { open, how } = bench;
  const redis = await open(testRedis());
  const dataDir = await mkdtemp(join(tmpdir(), 'beanline-bench-'));
  await open({ stop: () => rm(dataDir, { recursive: true, force: true }) });
  const env = { REDIS_URL: redis.url, DATA_DIR: dataDir, DRAIN_MS: '0', RATE_LIMIT: '0', API_KEYS, ...NO_LIMITS };
  const api = await open(startApi(env, { ...how, settles: true }));
  const flooder = await open(startBenchProgram('flooder', [], how));
  const quiet = await quietOwner(api);
  const sections: Section[] = [];
  for (const flood of FLOODS) sections.push(await beside({ bench, api, redis, env, flooder }, flood, quiet));
  return sections;
}

export const floods: BenchPart = { name: 'floods', long: true, measure };
