/** A real Redis Cluster for one test file: three masters, each with a replica when a test needs one to be promoted. */
import { freePort } from '../start/free-port.ts';
import type { Certificates } from './certificates.ts';
import { redisCli, type TestRedis, testRedis } from './test-redis.ts';
import { until } from './until.ts';

const MASTERS = 3;
const SLOTS = 16_384;
/** Silence after which the others give a node up: one that a busy machine starves is not gone. */
const NODE_TIMEOUT_MS = 15_000;
/** The same while a test waits for a replica to stand in. */
const SOON_MS = 1_000;
const PATIENCE_MS = 3_000;

type ClusterOptions = {
  /** Each master gets one. */
  replicas?: boolean;
  /** Clients and nodes speak TLS with these; `cli` and the like need not. */
  tls?: Certificates;
  /** More arguments of each node. */
  args?: string[];
};

export type TestCluster = Awaited<ReturnType<typeof testCluster>>;

/** Servers that are just starting, or frozen, answer nothing. */
const formed = (what: string, holds: () => Promise<boolean>) =>
  until(`the cluster: ${what}`, () => holds().catch(() => false));

type Node = TestRedis & { clientPort: number };

async function startNode({ tls, args = [] }: ClusterOptions): Promise<Node> {
  const busPort = await freePort();
  const tlsPort = tls && (await freePort());
  const settings = {
    'cluster-enabled': 'yes',
    'cluster-port': busPort,
    'cluster-node-timeout': NODE_TIMEOUT_MS,
    // A replica stands in however old its data is.
    'cluster-replica-validity-factor': 0,
    'repl-diskless-sync-delay': 0,
    ...(tls && tlsPort ? { ...tls.settings(tlsPort), 'tls-cluster': 'yes', 'tls-replication': 'yes' } : {}),
  };
  const all = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const node = await testRedis({ args: [...all, ...args] });
  return { ...node, clientPort: tlsPort ?? node.port };
}

/** Meets nodes on this machine; their bus ports are not the usual ones. */
async function introduce(node: Node, others: Node[]): Promise<void> {
  for (const other of others) {
    const busPort = (await other.cli('config', 'get', 'cluster-port')).split('\n')[1] ?? '';
    await node.cli('cluster', 'meet', '127.0.0.1', String(other.clientPort), busPort);
  }
}

/** What a node answers; '' when it is not there, or frozen. */
async function ask(node: TestRedis, ...args: string[]): Promise<string> {
  const patience = new Promise<string>((resolve) => setTimeout(() => resolve(''), PATIENCE_MS));
  return Promise.race([node.cli(...args).catch(() => ''), patience]);
}

/** How far the data of a server is, of its own or of its master's, by its `info replication`. */
export const offsetIn = (info: string): number =>
  Number(/^(?:slave|master)_repl_offset:(\d+)/m.exec(info)?.[1] ?? Number.NaN);

const all = <T>(nodes: TestRedis[], act: (node: TestRedis) => Promise<T> | T) => Promise.all(nodes.map(act));

/** Starts it, and resolves when every node takes commands. It stands in for the single Redis of a test. */
export async function testCluster(options: ClusterOptions = {}) {
  const { replicas = false, tls } = options;
  const nodes = await Promise.all(Array.from({ length: replicas ? 2 * MASTERS : MASTERS }, () => startNode(options)));
  const masters = nodes.slice(0, MASTERS);
  const [first] = masters;
  if (!first) throw new Error('no node');
  const stop = async () => void (await all(nodes, (node) => node.stop()));
  const isFormed = async (node: TestRedis) => {
    const info = await node.cli('cluster', 'info');
    return /cluster_state:ok/.test(info) && new RegExp(`cluster_known_nodes:${nodes.length}\\b`).test(info);
  };
  try {
    for (const [index, node] of masters.entries()) {
      const [from, to] = [index, index + 1].map((part) => Math.floor((part * SLOTS) / MASTERS)) as [number, number];
      await node.cli('cluster', 'addslotsrange', String(from), String(to - 1));
      await node.cli('cluster', 'set-config-epoch', String(index + 1));
    }
    await introduce(first, nodes.slice(1));
    await formed('every node knows the others', async () => (await all(nodes, isFormed)).every(Boolean));
    for (const [index, replica] of nodes.slice(MASTERS).entries()) {
      await replica.cli('cluster', 'replicate', (await masters[index]?.cli('cluster', 'myid')) ?? '');
      await formed('the replica follows', async () =>
        /master_link_status:up/.test(await replica.cli('info', 'replication')),
      );
    }
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    url: `${tls ? 'rediss' : 'redis'}://${nodes.map(({ clientPort }) => `127.0.0.1:${clientPort}`).join(',')}`,
    port: first.port,
    dir: first.dir,
    nodes,
    stop,
    /** The node that serves a key now. */
    async masterOf(key: string): Promise<TestRedis> {
      for (const node of nodes) {
        // One that is frozen says nothing, one that was replaced says who stands in for it.
        const [role, answer] = await Promise.all([ask(node, 'role'), ask(node, 'exists', key)]);
        if (role.startsWith('master') && /^[01]$/.test(answer)) return node;
      }
      throw new Error(`no node serves ${key}`);
    },
    /** Makes the others give up a node that is silent soon, or as late as at first. All must be there. */
    async giveUp(when: 'soon' | 'late'): Promise<void> {
      const timeoutMs = when === 'soon' ? SOON_MS : NODE_TIMEOUT_MS;
      await all(nodes, (node) => node.cli('config', 'set', 'cluster-node-timeout', String(timeoutMs)));
    },
    /** Resolves when a replica of this master has all that the master has now. */
    async replicated(master: TestRedis): Promise<void> {
      const wanted = offsetIn(await master.cli('info', 'replication'));
      await formed('a replica has it all', async () => {
        const infos = await all(nodes, (node) => ask(node, 'info', 'replication'));
        return infos.some((info) => info.includes(`master_port:${master.port}\r`) && offsetIn(info) >= wanted);
      });
    },
    kill: async () => void (await all(nodes, (node) => node.kill())),
    restart: async () => {
      await all(nodes, (node) => node.restart());
      await formed('every node takes commands', async () => (await all(nodes, isFormed)).every(Boolean));
    },
    pause: () => nodes.forEach((node) => void node.pause()),
    resume: () => nodes.forEach((node) => void node.resume()),
    /** One command, wherever its key lives. */
    cli: (...args: string[]): Promise<string> => redisCli(first.port, '-c', ...args),
    /** One command without keys on every master. */
    async everywhere(...args: string[]): Promise<string[]> {
      const roles = await all(nodes, (node) => ask(node, 'role'));
      const serving = nodes.filter((_, index) => roles[index]?.startsWith('master'));
      return all(serving, (node) => node.cli(...args));
    },
  };
}
