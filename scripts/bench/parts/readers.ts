/**
 * Many SSE readers of one API: what each costs in memory, and how long one event takes to reach all of them. Beside it,
 * in turns, the least a Node server can do (node:http, one write to each response) and what peers do (Hono's streamSSE).
 */
import { execFileSync } from 'node:child_process';
import { testRedis } from '../../testing/test-redis.ts';
import { type Bench, type BenchPart, each, inTurns } from '../bench.ts';
import { type BenchProgram, startApi, startBenchProgram } from '../program.ts';
import type { Settled } from '../programs/settle.ts';
import type { Section } from '../report.ts';
import { benchTasks } from '../tasks.ts';

const READERS = 10_000;
const TASKS = 100;
const EVENTS = 12;
const WARM_UPS = 4;
/** Readers that come and go before the first look at a server's memory, so that its code is loaded and warm. */
const WARM_READERS = 500;
const REST_MS = 150;
const EVENT_MS = 20_000;
/** Files a process needs beside its sockets. */
const OTHER_FILES = 100;
const KB = 1_000;

/** Readers this machine lets one process have; Node itself raises the soft limit to the hard one. */
function possibleReaders(): number {
  const limit = execFileSync('/bin/sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim();
  const most = limit === 'unlimited' ? READERS : Number(limit) - OTHER_FILES;
  if (most < READERS) {
    console.log(
      `!! the file limit (ulimit -n) is ${limit}: ${most} readers instead of ${READERS}; no goal is judged\n`,
    );
  }
  return Math.min(READERS, most);
}

type Server = { port: number; settle(): Promise<Settled> };

/** Bytes that each reader of a server adds to its settled process. The readers stay connected. */
async function bytesPerReader(server: Server, clients: BenchProgram, paths: string[], readers: number) {
  const { port } = server;
  for (let i = 0; i < 2; i++) {
    await clients.ask({ connect: { port, paths, readers: WARM_READERS } });
    await clients.ask({ disconnect: true });
  }
  const before = await server.settle();
  await clients.ask({ connect: { port, paths, readers } });
  const after = await server.settle();
  return {
    rss: (after.rss - before.rss) / readers / KB,
    heap: (after.heap + after.external - before.heap - before.external) / readers / KB,
  };
}

async function measure(bench: Bench): Promise<Section[]> {
  const { open, how } = bench;
  const count = possibleReaders();
  const judged = <Goal>(goal: Goal) => (count === READERS ? { goal } : {});
  const redis = await open(testRedis());
  const tasks = await open(benchTasks(redis.url));
  const settling = { ...how, settles: true };
  const startSettling = () => open(startApi({ REDIS_URL: redis.url, DRAIN_MS: '0' }, settling));
  const api = await startSettling();
  const bare = await open(startBenchProgram('sse-bare', [], settling));
  const hono = await open(startBenchProgram('sse-hono', [], settling));
  const startClients = () => open(startBenchProgram('sse-clients', [], how));
  const [apiClients, bareClients, honoClients] = await Promise.all([startClients(), startClients(), startClients()]);

  const input = { messages: [{ role: 'user', content: 'Go on.' }] };
  const one = await tasks.running(input);
  const apiBytes = await bytesPerReader(api, apiClients, [`/tasks/${one.ref.id}/events`], count);
  const bareBytes = await bytesPerReader(bare, bareClients, ['/'], count);
  const honoBytes = await bytesPerReader(hono, honoClients, ['/'], count);

  let number = 0;
  /** From just before the event is sent to when the last reader has it, in ms. */
  async function reach(clients: BenchProgram, send: (content: string) => unknown): Promise<number> {
    const content = `event ${++number};`;
    await clients.ask({ expect: content, ms: EVENT_MS });
    const last = clients.next<string>();
    const sentAt = process.hrtime.bigint();
    await send(content);
    return Number(BigInt(await last) - sentAt) / 1e6;
  }
  const turns = { rounds: EVENTS, warmUps: WARM_UPS, restMs: REST_MS };
  const told = (server: BenchProgram) => (event: string) => server.tell({ event });
  const all = await inTurns(
    {
      beanline: () => reach(apiClients, one.say),
      bare: () => reach(bareClients, told(bare)),
      hono: () => reach(honoClients, told(hono)),
    },
    turns,
  );

  await apiClients.ask({ disconnect: true });
  const many = await Promise.all(Array.from({ length: TASKS }, () => tasks.running(input)));
  const paths = many.map(({ ref }) => `/tasks/${ref.id}/events`);
  const spreadBytes = await bytesPerReader(await startSettling(), apiClients, paths, count);
  const spread = await inTurns(
    { beanline: () => reach(apiClients, (content) => Promise.all(many.map(({ say }) => say(content)))) },
    turns,
  );

  const memory = (name: string, { rss, heap }: { rss: number; heap: number }) => [
    { name, unit: 'kB', values: [rss] },
    { name: '  of these on the heap and in buffers', unit: 'kB', values: [heap] },
  ];
  return [
    {
      title: `Memory per SSE reader, ${count.toLocaleString('en')} connected`,
      about: 'Growth of the server’s resident memory per connection, its garbage collected before and after.',
      rows: [
        { name: 'beanline, all on one task', unit: 'kB', values: [apiBytes.rss], ...judged({ atMost: 16 }) },
        { name: '  of these on the heap and in buffers', unit: 'kB', values: [apiBytes.heap] },
        ...memory(`beanline, spread over ${TASKS} tasks`, spreadBytes),
        ...memory('bare node:http', bareBytes),
        ...memory("Hono's streamSSE", honoBytes),
        { name: 'beanline ÷ bare node:http', unit: '', values: [apiBytes.rss / bareBytes.rss] },
        { name: "beanline ÷ Hono's streamSSE", unit: '', values: [apiBytes.rss / honoBytes.rss] },
      ],
    },
    {
      title: `One event to ${count.toLocaleString('en')} SSE readers, to the last`,
      about:
        'From just before the event is appended (or handed to the other servers) to when the last reader has it in its process.',
      rows: [
        { name: 'beanline, from the append on', unit: 'ms', values: all.beanline, ...judged({ atMost: 150 }) },
        { name: `beanline, an event on each of ${TASKS} tasks`, unit: 'ms', values: spread.beanline },
        { name: 'bare node:http', unit: 'ms', values: all.bare },
        { name: "Hono's streamSSE", unit: 'ms', values: all.hono },
        { name: 'beanline ÷ bare node:http', unit: '', values: each(all.beanline, all.bare) },
        { name: "beanline ÷ Hono's streamSSE", unit: '', values: each(all.beanline, all.hono) },
      ],
    },
  ];
}

export const readers: BenchPart = { name: 'readers', measure };
