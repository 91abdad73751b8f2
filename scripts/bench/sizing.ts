/**
 * What a task and a stream cost Redis and the programs: the numbers that docs/operating.md builds on. Prints a table.
 * Memory is Redis's own count; processor time is the kernel's, so other load on the machine hardly matters.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { chat, events, getTask, post } from '../testing/client.ts';
import { startSystem } from '../testing/system.ts';
import { slowWords, startUpstream } from '../testing/upstream.ts';
import { processorSeconds } from './processor-time.ts';

/** Both in whole rounds of AT_ONCE. */
const WAITING = 4_000;
const STREAMS = 40;
const AT_ONCE = 40;
const TOKENS = 300;
const TOKEN_MS = 40;

const upstream = await startUpstream(slowWords(TOKENS, TOKEN_MS));
const DEFAULTS = { LOCK_DURATION_MS: '10000', SWEEP_INTERVAL_MS: '1000', SWEEP_FIRST_CHECK_MS: '5000' };
const system = await startSystem({ runners: 0, env: { ...upstream.env, ...DEFAULTS } });
const { redis, url } = system;

async function info(section: string): Promise<Map<string, number>> {
  const text = await redis.cli('info', section);
  return new Map(
    text
      .split('\n')
      .map((line) => line.trim().split(':'))
      .map(([name = '', value]) => [name, Number(value)]),
  );
}
const memory = async () => (await info('memory')).get('used_memory') ?? Number.NaN;
const fileSize = async () => (await info('persistence')).get('aof_current_size') ?? Number.NaN;

const rss = (pid: number) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;

const bytes = (value: number) => `${Math.round(value).toLocaleString('en')} B`;
const row = (name: string, value: string) => process.stdout.write(`${name.padEnd(64)}${value.padStart(14)}\n`);

/** As a client does it: a Redis that a busy machine keeps waiting is a 503, and asked again. */
async function submitPatiently(characters: number): Promise<string> {
  for (;;) {
    const { status, json, text } = await post(url, '/api/chat', chat('x'.repeat(characters)));
    if (status === 202) return json.task_id;
    if (status !== 503) throw new Error(text);
    await delay(1_000);
  }
}

async function submitMany(count: number, characters: number): Promise<string[]> {
  const ids: string[] = [];
  for (let done = 0; done < count; done += AT_ONCE)
    ids.push(...(await Promise.all(Array.from({ length: AT_ONCE }, () => submitPatiently(characters)))));
  return ids;
}

async function waitingTasks(characters: number): Promise<number> {
  const before = { memory: await memory(), file: await fileSize() };
  const ids = await submitMany(WAITING, characters);
  const each = ((await memory()) - before.memory) / WAITING;
  row(`Redis memory of a waiting task with a prompt of ${characters} characters`, bytes(each));
  row(`  its share of the append-only file`, bytes(((await fileSize()) - before.file) / WAITING));
  for (let done = 0; done < WAITING; done += AT_ONCE)
    await Promise.all(
      ids.slice(done, done + AT_ONCE).map((id) => fetch(`${url}/tasks/${id}/cancel`, { method: 'POST' })),
    );
  row('  the same task, cancelled and kept', bytes(((await memory()) - before.memory) / WAITING));
  return each;
}

async function read(id: string): Promise<number> {
  let count = 0;
  for await (const _ of events(url, id)) count++;
  return count;
}

async function streams(apiPid: number): Promise<void> {
  const runner = await system.startRunner({ QUEUES: `chat.request:${STREAMS}` });
  const pids = {
    runner: runner.child.pid ?? 0,
    Redis: (await info('server')).get('process_id') ?? 0,
    'API with one reader a stream': apiPid,
    relay: system.relays[0]?.child.pid ?? 0,
  };
  await read(await submitPatiently(200));
  const before = { memory: await memory(), file: await fileSize() };
  const cpuBefore = Object.values(pids).map(processorSeconds);
  const startedAt = performance.now();
  const ids = await submitMany(STREAMS, 200);
  const counts = await Promise.all(ids.map(read));
  const seconds = (performance.now() - startedAt) / 1_000;
  const total = counts.reduce((sum, count) => sum + count, 0);
  row(
    `events of ${STREAMS} streams of ${TOKENS} tokens, ${1_000 / TOKEN_MS} a second each`,
    `${total} in ${seconds.toFixed(1)} s`,
  );
  for (const [index, [name, pid]] of Object.entries(pids).entries()) {
    const used = processorSeconds(pid) - (cpuBefore[index] ?? 0);
    row(`  processor time per event: ${name}`, `${((used / total) * 1e6).toFixed(0)} µs`);
  }
  row(`  Redis memory of such a task when it is kept`, bytes(((await memory()) - before.memory) / STREAMS));
  row(`  its share of the append-only file`, bytes(((await fileSize()) - before.file) / STREAMS));
  const ended = await Promise.all(ids.map(async (id) => (await getTask(url, id)).json));
  if (ended.some(({ status, attempt }) => status !== 'completed' || attempt !== 1))
    throw new Error('not every stream completed at its first attempt');
  const log = await redis.cli('keys', `bl:*:log:${ids[0]}`);
  row(
    `  of which its log, ${counts[0]} events`,
    bytes(Number(await redis.cli('memory', 'usage', log, 'samples', '0'))),
  );
  for (const [name, pid] of Object.entries(pids))
    row(`resident memory: ${name}`, `${Math.round(rss(pid) / 2 ** 20)} MiB`);
}

const apiPid = system.apis[0]?.child.pid ?? 0;
try {
  // A rewrite would shrink the file under our eyes.
  await redis.cli('config', 'set', 'auto-aof-rewrite-percentage', '0');
  row('Redis memory with nothing in it', bytes(await memory()));
  const small = await waitingTasks(200);
  const large = await waitingTasks(4_200);
  row('Redis memory per further character of a prompt', `${((large - small) / 4_000).toFixed(2)} B`);
  await delay(1_000);
  await streams(apiPid);
  const names = (await redis.cli('client', 'list')).split('\n').map((line) => / name=(\S*)/.exec(line)?.[1] ?? '');
  const named = (start: string) => String(names.filter((name) => name.startsWith(start)).length);
  for (const program of ['api', 'runner', 'relay'])
    row(`connections to Redis: ${program}`, named(`beanline-${program}-`));
  row('  and one of the runner for each queue it consumes', named('bl:'));
} finally {
  await system.stop();
  await upstream.stop();
}
