/**
 * The connection on which BullMQ waits for jobs. On a Cluster BullMQ would wait on a Cluster client of its own, and does
 * not survive a failover on it: when its wait is given up while the nodes are away, two repairs of the client meet and the
 * one that the worker waits for never ends (bullmq 6.7.0). A plain connection to the one master that has the queue has no
 * such state, and follows that master by the map of the Cluster.
 */
import { Cluster, Command, Redis, type RedisOptions } from 'ioredis';
import { backOff, type RedisConnection } from './connect.ts';

export const slotOf = (key: string): number => new Command('type', [key]).getSlot() ?? 0;

/** A plain connection to the master that has a key, wherever that is when it connects. Not connected yet. */
function connectToMasterOf(cluster: Cluster, key: string): Redis {
  const slot = slotOf(key);
  const { replyMapping: _, ...options }: RedisOptions = cluster.options.redisOptions ?? {};
  const redis = new Redis({
    ...options,
    lazyConnect: true,
    maxRetriesPerRequest: null,
    retryStrategy: backOff,
    // It was a master: its successor is in the map. 2: sent again there.
    reconnectOnError: ({ message }) => (/^(MOVED|UNBLOCKED|READONLY|CLUSTERDOWN)/.test(message) ? 2 : false),
  });
  const master = () => {
    const name = cluster.slots[slot]?.[0] ?? '';
    const colon = name.lastIndexOf(':');
    return { host: name.slice(0, colon), port: Number(name.slice(colon + 1)) };
  };
  Object.defineProperties(redis.options, {
    host: { get: () => master().host, enumerable: true },
    port: { get: () => master().port, enumerable: true },
  });
  redis.on('error', () => undefined); // The clock tells of an outage.
  return redis;
}

/** Runs `make`, in which BullMQ duplicates the connection to have one that may block on a key of its queue. */
export function withBlocking<T>(connection: RedisConnection, key: string, make: () => T): T {
  if (!(connection instanceof Cluster)) return make();
  const { duplicate } = connection;
  connection.duplicate = (() => connectToMasterOf(connection, key)) as unknown as typeof duplicate;
  try {
    return make();
  } finally {
    connection.duplicate = duplicate;
  }
}
