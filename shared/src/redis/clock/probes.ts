/** The probes of all servers behind a connection: of the one, or of each node of a Cluster as nodes come and go. */
import { Cluster, type Redis } from 'ioredis';
import type { Log } from '../../log.ts';
import { nodesOf, type RedisConnection } from '../connect.ts';
import { createProbe, type Probe } from './probe.ts';

/** How soon the map of a Cluster is read again after a node was lost. */
const REFRESH_MS = 100;

const addressOf = ({ options }: Redis) => `${options.host}:${options.port}`;

/**
 * `timeoutMs`: how long a server may be silent. `others`: connections whose bytes are a sign of life of the server they
 * come from. `answered` is called after each answer of a server, `lost` when one that was there is away.
 */
export function createProbes(
  redis: RedisConnection,
  options: { timeoutMs: number; others: RedisConnection[]; log: Log; answered(): void; lost(): void },
) {
  const { timeoutMs, others, log, answered, lost } = options;
  const probes = new Map<string, Probe>();
  const probed = new Map<string, Redis>();
  let stopped = false;

  function watch(node: Redis, name: string) {
    probes.get(name)?.stop();
    probed.set(name, node);
    const isSame = (other: Redis) => !(redis instanceof Cluster) || addressOf(other) === name;
    const bytesHeard = () =>
      others.flatMap(nodesOf).reduce((sum, other) => sum + (isSame(other) ? (other.stream?.bytesRead ?? 0) : 0), 0);
    probes.set(name, createProbe(node, timeoutMs, { answered, lost, bytesHeard }));
  }

  function watchNodes(cluster: Cluster) {
    for (const node of cluster.nodes()) watch(node, addressOf(node));
    cluster.on('+node', (node: Redis) => watch(node, addressOf(node)));
    cluster.on('-node', (node: Redis) => {
      const name = addressOf(node);
      // A node that is made anew comes before its old one goes.
      if (probed.get(name) !== node) return;
      probes.get(name)?.stop();
      probes.delete(name);
      if (stopped) return;
      log.debug({ node: name }, 'a node of the cluster is away');
      lost();
      // Lost for a moment, or for good: the map tells, and names who stands in for it.
      setTimeout(() => cluster.refreshSlotsCache(), REFRESH_MS).unref();
    });
  }

  if (redis instanceof Cluster) watchNodes(redis);
  else watch(redis, 'redis');

  return {
    /** The probe of the server that has a slot, where there is one now. */
    of(slot = 0): Probe | undefined {
      if (!(redis instanceof Cluster)) return probes.get('redis');
      const master = redis.slots[slot]?.[0];
      return master === undefined ? undefined : probes.get(master);
    },
    all: () => probes.values(),
    stop() {
      stopped = true;
      for (const probe of probes.values()) probe.stop();
    },
  };
}
