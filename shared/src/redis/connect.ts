/** Connections to Redis: to one server, to a Sentinel's master, to a Cluster. */
import { readFileSync } from 'node:fs';
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import type { Log } from '../log.ts';
import type { RedisAddress } from './address.ts';
import { Connector } from './sentinel.ts';

export type RedisConnection = Redis | Cluster;
type CommonOptions = Omit<RedisOptions, 'replyMapping'>;

/** Silence after which a connection that owes an answer is given up and made anew. */
const SILENCE_MS = 6_000;
const CONNECT_TIMEOUT_MS = 2_000;
const KEEP_ALIVE_MS = 10_000;
/** How soon a Cluster is asked again after a node was lost, and how often its map is read anyway. */
const REDIRECT_MS = 100;
const SLOTS_REFRESH_MS = 2_000;
/** An API waits no longer for a redirect than for anything else; a worker outlasts a failover. */
const API_REDIRECTS = 2;
const WORKER_REDIRECTS = 600;

export type ConnectOptions = {
  /** Shown by CLIENT LIST. */
  name: string;
  /**
   * `api`: commands fail at once while Redis is away, and nothing in flight is sent twice, so that a request answered 503
   * stays refused. `worker`: commands wait for Redis to come back and are sent again, which the scripts allow.
   */
  for: 'api' | 'worker';
  silenceMs?: number;
  /** A file with a private certificate authority, in PEM. */
  caFile?: string | undefined;
  log: Log;
};

/** Milliseconds until a connection that was lost is tried again. */
export const backOff = (attempt: number) => Math.min(50 * 2 ** Math.min(attempt, 6), 1_000);

export function connect(address: RedisAddress, options: ConnectOptions): RedisConnection {
  const patient = options.for === 'worker';
  const { caFile } = options;
  const tls = address.tls ? { tls: caFile === undefined ? {} : { ca: readFileSync(caFile, 'utf8') } } : {};
  const shared: CommonOptions = {
    ...(address.username === undefined ? {} : { username: address.username }),
    ...(address.password === undefined ? {} : { password: address.password }),
    ...tls,
    connectionName: `beanline-${options.name}`,
    autoResendUnfulfilledCommands: patient,
    // Without a number ioredis drops what was in flight when the connection closed: its promise would never settle.
    maxRetriesPerRequest: patient ? null : 0,
    connectTimeout: CONNECT_TIMEOUT_MS,
    // Subscribers of a Cluster are asked nothing: only the system can find their way dead.
    keepAlive: KEEP_ALIVE_MS,
    // A command without an answer: the connection may be half-open.
    socketTimeout: options.silenceMs ?? SILENCE_MS,
  };
  const redis =
    address.kind === 'cluster'
      ? lookingAgain(new Cluster(address.nodes, clusterOptions(shared, patient)))
      : new Redis({
          ...shared,
          ...placeOf(address, patient, tls),
          enableOfflineQueue: patient,
          retryStrategy: backOff,
        });
  // Without a listener ioredis prints to the console; the clock tells of an outage once.
  redis.on('error', (error) => options.log.debug({ error, connection: options.name }, 'redis connection'));
  return redis;
}

function placeOf(
  address: Exclude<RedisAddress, { kind: 'cluster' }>,
  patient: boolean,
  { tls }: Pick<RedisOptions, 'tls'>,
): CommonOptions {
  if (address.kind === 'single') return { host: address.host, port: address.port, db: address.db };
  const { username, password } = address.sentinelLogin;
  return {
    sentinels: address.sentinels,
    name: address.master,
    db: address.db,
    ...(username === undefined ? {} : { sentinelUsername: username }),
    ...(password === undefined ? {} : { sentinelPassword: password }),
    // The one is for the master, the other for the Sentinels.
    enableTLSForSentinelMode: address.tls,
    ...(tls === undefined ? {} : { sentinelTLS: tls }),
    sentinelRetryStrategy: backOff,
    // One that is frozen is passed over.
    sentinelCommandTimeout: CONNECT_TIMEOUT_MS,
    Connector,
    failoverDetector: true,
    // A master that was demoted says so; the Sentinels know the new one. 2: sent again there.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? (patient ? 2 : 1) : false),
  };
}

function clusterOptions(shared: CommonOptions, patient: boolean) {
  return {
    redisOptions: shared,
    enableOfflineQueue: patient,
    shardedSubscribers: true,
    clusterRetryStrategy: backOff,
    maxRedirections: patient ? WORKER_REDIRECTS : API_REDIRECTS,
    retryDelayOnFailover: REDIRECT_MS,
    retryDelayOnClusterDown: REDIRECT_MS,
    retryDelayOnTryAgain: REDIRECT_MS,
  } satisfies ClusterOptions;
}

/** Reads the map anew from time to time. A timer of ioredis's own outlives a connection that ends while it reads. */
function lookingAgain(cluster: Cluster): Cluster {
  const look = () => {
    if (cluster.status === 'ready') cluster.refreshSlotsCache();
  };
  // One that is told to end while it is reconnecting says nothing of its end: the timer keeps no process alive.
  const timer = setInterval(look, SLOTS_REFRESH_MS).unref();
  return cluster.once('end', () => clearInterval(timer));
}

/** The servers behind a connection: the one, or all nodes of the Cluster that are known now. */
export const nodesOf = (redis: RedisConnection): Redis[] => (redis instanceof Cluster ? redis.nodes() : [redis]);

/** Resolves when a connection can be used. */
export async function connected(redis: RedisConnection): Promise<void> {
  if (redis.status !== 'ready') await new Promise<void>((resolve) => redis.once('ready', () => resolve()));
}

/**
 * When a connection (on a Cluster: to one node) breaks, breaks the others to the same place, so that they are made anew.
 * One that was not in use yet breaks nothing: what it finds while Redis comes back, others may have behind them.
 */
export function onLost(redis: RedisConnection, others: RedisConnection[]): void {
  if (redis instanceof Cluster) {
    redis.on('-node', ({ options: lost }: Redis) => {
      const isLost = ({ options }: Redis) => options.host === lost.host && options.port === lost.port;
      // Not ready: the Cluster itself lets its nodes go, to look again. Still there: the node was made anew.
      if (redis.status !== 'ready' || redis.nodes().some(isLost)) return;
      for (const node of others.flatMap(nodesOf).filter(isLost)) if (node.status === 'ready') node.disconnect();
    });
  } else {
    let used = false;
    redis.on('ready', () => {
      used = true;
    });
    redis.on('close', () => {
      if (used) for (const other of others) if (other.status === 'ready') other.disconnect(true);
      used = false;
    });
  }
}

/** The command did not reach Redis, or its answer was lost, or the answer says "not now". */
const UNAVAILABLE =
  /^(OOM|LOADING|READONLY|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|BUSY|MISCONF|NOREPLICAS) |Connection is closed|Stream isn't writeable|Command timed out|ECONN|EPIPE|Command aborted|max retries per request|Cluster isn't ready|Failed to refresh slots cache|None of startup nodes|Too many Cluster redirections|Cluster is ended|All sentinels are unreachable/i;

/** True when Redis did not take the command, or its answer was lost: a closed connection, or a reply that says "not now". */
export function isConnectionError(error: unknown): boolean {
  return error instanceof Error && UNAVAILABLE.test(error.message);
}
