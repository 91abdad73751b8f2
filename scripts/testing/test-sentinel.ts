/** A real master with a replica, guarded by three Sentinels, for one test file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../start/free-port.ts';
import { waitForRedis } from '../start/redis/redis-server.ts';
import { findRedisServer } from './find-redis-server.ts';
import { offsetIn } from './test-cluster.ts';
import { redisCli, type TestRedis, testRedis } from './test-redis.ts';
import { until } from './until.ts';

const SENTINELS = 3;
const NAME = 'main';
/** Silence after which a master counts as down: one that a busy machine starves is not gone. */
const DOWN_AFTER_MS = 15_000;
/** The same while a test waits for the replica to stand in. */
const SOON_MS = 1_000;

/** Servers that are just starting, or frozen, answer nothing. */
const formed = (what: string, holds: () => Promise<boolean>) =>
  until(`the sentinels: ${what}`, () => holds().catch(() => false));

async function startSentinel(dir: string, binary: string, master: TestRedis) {
  const port = await freePort();
  const file = join(dir, `sentinel-${port}.conf`);
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${dir}`,
    `sentinel monitor ${NAME} 127.0.0.1 ${master.port} 2`,
    `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${NAME} 5000`,
  ];
  await writeFile(file, `${settings.join('\n')}\n`);
  const child = spawn(binary, [file, '--sentinel'], { stdio: 'ignore' });
  await waitForRedis(port, { child });
  return { port, child };
}

async function end(child: ChildProcess) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

export type TestSentinel = Awaited<ReturnType<typeof testSentinel>>;

/** Starts all of it, and resolves when the Sentinels know the replica and one another. It stands in for a single Redis. */
export async function testSentinel() {
  const binary = await findRedisServer();
  const dir = await mkdtemp(join(tmpdir(), 'beanline-sentinel-'));
  const first = await testRedis();
  const second = await testRedis({ args: ['--replicaof', '127.0.0.1', String(first.port)] });
  const servers = [first, second];
  const sentinels = await Promise.all(Array.from({ length: SENTINELS }, () => startSentinel(dir, binary, first)));
  const stop = async () => {
    await Promise.all([...sentinels.map(({ child }) => end(child)), ...servers.map((server) => server.stop())]);
    await rm(dir, { recursive: true, force: true });
  };
  const ask = (...args: string[]) => redisCli(sentinels[0]?.port ?? 0, 'sentinel', ...args);
  try {
    await formed('they know the replica and one another', async () => {
      const [replicas, others] = await Promise.all([ask('replicas', NAME), ask('sentinels', NAME)]);
      return replicas.includes(String(second.port)) && others.split('\nname\n').length + 1 >= SENTINELS;
    });
    await formed('the replica follows', async () =>
      /master_link_status:up/.test(await second.cli('info', 'replication')),
    );
  } catch (error) {
    await stop();
    throw error;
  }

  async function master(): Promise<TestRedis> {
    const [, port] = (await ask('get-master-addr-by-name', NAME)).split('\n');
    return servers.find((server) => server.port === Number(port)) ?? first;
  }
  return {
    ...first,
    url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${NAME}`,
    stop,
    /** To be called before the master is killed: the replica has all that it has, and the Sentinels soon notice that it is gone. */
    async prepareFailover(): Promise<void> {
      const old = await master();
      const wanted = offsetIn(await old.cli('info', 'replication'));
      const others = servers.filter(({ port }) => port !== old.port);
      await formed('the replica has it all', async () =>
        (await Promise.all(others.map((server) => server.cli('info', 'replication')))).every(
          (info) => offsetIn(info) >= wanted,
        ),
      );
      for (const { port } of sentinels) {
        await redisCli(port, 'sentinel', 'set', NAME, 'down-after-milliseconds', String(SOON_MS));
      }
    },
    /** Freezes one of them; the others agree without it. */
    freezeSentinel: () => sentinels.at(-1)?.child.kill('SIGSTOP'),
    /** The server that the Sentinels name now. */
    master,
    cli: async (...args: string[]) => (await master()).cli(...args),
    everywhere: async (...args: string[]) => (await master()).everywhere(...args),
  };
}
