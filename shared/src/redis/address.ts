/**
 * Where Redis is: one server, a Cluster or a Sentinel-guarded master, all in REDIS_URL.
 *
 *   redis://[user:password@]host[:port][/db]                       one server
 *   redis://[user:password@]host:port,host:port,host:port          a Cluster (any of its nodes)
 *   redis+cluster://[user:password@]host:port                      a Cluster with one address for all
 *   redis+sentinel://[user:password@]host[:port],…/master[/db]     Sentinel; ?sentinel_username=…&sentinel_password=…
 *
 * `rediss` instead of `redis` means TLS, with the Sentinels too. User and password are percent-encoded.
 */

export type RedisHost = { host: string; port: number };
type Login = { username: string | undefined; password: string | undefined };

export type RedisAddress = Login & { tls: boolean } & (
    | ({ kind: 'single'; db: number } & RedisHost)
    | { kind: 'cluster'; nodes: RedisHost[] }
    | { kind: 'sentinel'; sentinels: RedisHost[]; master: string; db: number; sentinelLogin: Login }
  );

/** Partitions of new data on a Cluster: enough to spread over many masters. One Redis needs one. */
const CLUSTER_PARTITIONS = 64;

const PATTERN = /^(rediss?)(\+cluster|\+sentinel)?:\/\/(?:([^@/]*)@)?([^/?@]+)(?:\/([^?]*))?(?:\?(.*))?$/;
const SENTINEL_OPTIONS = ['sentinel_username', 'sentinel_password'];

/** The address of a URL. Throws an Error that says what is wrong and never repeats the URL, which holds a password. */
export function parseRedisUrl(url: string): RedisAddress {
  const match = PATTERN.exec(url);
  if (!match)
    throw new Error('must be redis://host:port, rediss://…, redis://host,host,… or redis+sentinel://host,…/name');
  const [, scheme, form, login, hosts = '', path = '', query = ''] = match;
  const isSentinel = form === '+sentinel';
  const nodes = hosts.split(',').map((text) => parseHost(text, isSentinel ? 26379 : 6379));
  const options = new URLSearchParams(query);
  for (const name of options.keys()) {
    if (!isSentinel || !SENTINEL_OPTIONS.includes(name)) throw new Error(`has an option that is not known: ${name}`);
  }
  const shared = { tls: scheme === 'rediss', ...parseLogin(login) };
  const segments = path.split('/').filter(Boolean);

  if (isSentinel) {
    const [master, db, ...more] = segments.map(decode);
    if (!master || more.length > 0)
      throw new Error('must name the master after the hosts: redis+sentinel://host,…/name');
    const sentinelLogin = {
      username: options.get('sentinel_username') ?? undefined,
      password: options.get('sentinel_password') ?? undefined,
    };
    return { kind: 'sentinel', ...shared, sentinels: nodes, master, db: parseDb(db), sentinelLogin };
  }
  const [db, ...more] = segments;
  if (more.length > 0) throw new Error('has a path that is not a database number');
  const [first] = nodes;
  if (form === '+cluster' || nodes.length > 1 || !first) {
    if (parseDb(db) !== 0) throw new Error('names a database: a Cluster has database 0 only');
    return { kind: 'cluster', ...shared, nodes };
  }
  return { kind: 'single', ...shared, ...first, db: parseDb(db) };
}

export const partitionsOf = (address: RedisAddress) => (address.kind === 'cluster' ? CLUSTER_PARTITIONS : 1);

function parseHost(text: string, defaultPort: number): RedisHost {
  const match = /^(?:\[([\da-fA-F:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(text.trim());
  const port = Number(match?.[3] ?? defaultPort);
  if (!match || port < 1 || port > 65_535) throw new Error('has a host that is not host or host:port');
  return { host: match[1] ?? match[2] ?? '', port };
}

function parseLogin(text: string | undefined): Login {
  if (!text) return { username: undefined, password: undefined };
  const at = text.indexOf(':');
  const [username, password] = at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
  return { username: decode(username) || undefined, password: decode(password) || undefined };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error('has a % that begins no percent-encoded character');
  }
}

function parseDb(text: string | undefined): number {
  if (text === undefined) return 0;
  if (!/^\d{1,4}$/.test(text)) throw new Error('has a path that is not a database number');
  return Number(text);
}
