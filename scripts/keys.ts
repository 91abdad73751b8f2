/** `npm run keys`: makes, lists and revokes API keys, in the Redis of REDIS_URL or of `npm start`. */
import { parseArgs } from 'node:util';
import { ConfigError, readConfig } from '../shared/src/config.ts';
import { DEFAULT_SCOPES, OwnerName, type Scope, scopes } from '../shared/src/owner.ts';
import { type ApiKeys, createApiKeys, type NewApiKey } from '../shared/src/owners/api-keys.ts';
import { createKeys } from '../shared/src/redis/keys.ts';
import { connectKeys, withRedis } from './keys-redis.ts';

const USAGE = `Usage: npm run keys -- create <owner> [--scopes submit,read,admin] [--expires 30d] [--label text]
       npm run keys -- list
       npm run keys -- revoke <id>
create prints the key, once: only its hash is kept. Without --scopes it may ${DEFAULT_SCOPES.join(' and ')}; without
--expires it stays valid until it is revoked (s, m, h or d). Changes are seen everywhere within 5 s.
The keys are in the Redis of REDIS_URL; unset, in that of npm start, which need not be running (DATA_DIR).`;

const UNIT_MS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const MAX_DAYS = 36_500;
const MAX_LABEL_LENGTH = 100;

class UsageError extends Error {}

function scopesOf(text: string): Scope[] {
  const names = text.split(',').map((name) => name.trim());
  const known = scopes.filter((scope) => names.includes(scope));
  if (known.length !== new Set(names).size) throw new UsageError(`--scopes: each must be one of ${scopes.join(', ')}`);
  return known;
}

function lifetimeMs(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const ms = Number(count) * (UNIT_MS[unit] ?? 0);
  if (ms > 0 && ms <= MAX_DAYS * 86_400_000) return ms;
  throw new UsageError('--expires: must be a time such as 90s, 45m, 12h or 30d');
}

type Command = (apiKeys: ApiKeys) => Promise<void>;

const day = (ms: number | undefined) => (ms === undefined ? 'never' : `${new Date(ms).toISOString().slice(0, 19)}Z`);

function create(key: NewApiKey): Command {
  return async (apiKeys) => {
    const made = await apiKeys.create(key);
    const { id, owner, expires_at } = made.key;
    process.stderr.write(`Key ${id} of ${owner}, expires: ${day(expires_at)}. It is shown this once:\n`);
    process.stdout.write(`${made.token}\n`);
  };
}

const list: Command = async (apiKeys) => {
  const rows = (await apiKeys.list()).map((key) => [
    key.id,
    key.owner,
    key.scopes.join(','),
    day(key.created_at),
    day(key.expires_at),
    key.label ?? '',
  ]);
  const table = [['ID', 'OWNER', 'SCOPES', 'CREATED', 'EXPIRES', 'LABEL'], ...rows];
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  for (const row of table) {
    const line = row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
    process.stdout.write(`${line.trimEnd()}\n`);
  }
};

function revoke(id: string): Command {
  return async (apiKeys) => {
    const gone = await apiKeys.revoke(id);
    if (!gone) throw new UsageError(`There is no key ${id}. See: npm run keys -- list`);
    process.stdout.write(`Revoked ${id} of ${gone.owner}.\n`);
  };
}

/** What the arguments ask for; undefined when they ask for help. */
function command(args: string[]): Command | undefined {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      scopes: { type: 'string' },
      expires: { type: 'string' },
      label: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return undefined;
  const [verb, subject, ...rest] = positionals;
  if (verb === 'list' && subject === undefined) return list;
  if (verb === 'revoke' && subject !== undefined && rest.length === 0) return revoke(subject);
  if (verb !== 'create' || subject === undefined || rest.length > 0) throw new UsageError(USAGE);
  const owner = OwnerName.safeParse(subject);
  if (!owner.success) throw new UsageError(`The owner ${owner.error.issues[0]?.message}.`);
  if ((values.label?.length ?? 0) > MAX_LABEL_LENGTH) throw new UsageError('--label: must be at most 100 characters');
  return create({
    owner: owner.data,
    scopes: values.scopes === undefined ? DEFAULT_SCOPES : scopesOf(values.scopes),
    ...(values.expires === undefined ? {} : { expiresInMs: lifetimeMs(values.expires) }),
    ...(values.label === undefined ? {} : { label: values.label }),
  });
}

async function main(): Promise<void> {
  const run = command(process.argv.slice(2));
  if (!run) return void process.stdout.write(`${USAGE}\n`);
  const config = readConfig(process.env);
  await withRedis(config, process.env, async (url) => {
    const redis = connectKeys(url, config);
    try {
      await run(createApiKeys(redis, createKeys(config.KEY_PREFIX)));
    } finally {
      redis.disconnect();
    }
  });
}

try {
  await main();
} catch (error) {
  const expected = error instanceof UsageError || error instanceof ConfigError;
  const parsing = (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`${(error as Error).message}\n${parsing ? `${USAGE}\n` : ''}`);
  process.exitCode = expected || parsing ? 2 : 1;
}
