/** Configuration: one zod schema over the environment. Every problem is reported at once, and every variable has a default. */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { ApiKey, ModelServerUrl, OllamaHost, ProviderList, withKeys } from './models/addresses.ts';
import { hashApiKey, OwnerName } from './owner.ts';
import { parseRedisUrl, partitionsOf } from './redis/address.ts';
import { MAX_PARTITIONS } from './task-id.ts';

const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^-?\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max));

const int = (min: number, max: number, fallback: number) => whole(min, max).default(fallback);

/** `name:number,name:number` as a map; the numbers at least `min`. */
const numberMap = (min: number) =>
  z
    .string()
    .transform((text, context) => {
      const map = new Map<string, number>();
      for (const part of text
        .split(',')
        .map((piece) => piece.trim())
        .filter(Boolean)) {
        const match = /^([a-z0-9.-]+):(\d+)$/.exec(part);
        if (match?.[1] && Number(match[2]) >= min) map.set(match[1], Number(match[2]));
        else context.addIssue({ code: 'custom', message: `"${part}" is not name:number, such as chat.request:50` });
      }
      return map;
    })
    .default(new Map<string, number>());

const listed = (text: string) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);

/** `owner:key,owner:key` as a map from the hash of each key to its owner: no key is kept, and no message quotes one. */
const apiKeys = z
  .string()
  .transform((text, context) => {
    const owners = new Map<string, string>();
    for (const [index, part] of listed(text).entries()) {
      const [, owner = '', key = ''] = /^([^:]*):([A-Za-z0-9._~+/-]{16,500}=*)$/.exec(part) ?? [];
      const hash = hashApiKey(key);
      if (!OwnerName.safeParse(owner).success) {
        const message = `entry ${index + 1} is not owner:key, the key at least 16 letters, digits or -._~+/`;
        context.addIssue({ code: 'custom', message });
      } else if (owners.has(hash)) context.addIssue({ code: 'custom', message: `entry ${index + 1} repeats a key` });
      else owners.set(hash, owner);
    }
    return owners;
  })
  .default(new Map<string, string>());

const isOrigin = (text: string) => URL.canParse(text) && new URL(text).origin === text && !text.includes('*');

/** Exact origins, as browsers send them. */
const origins = z
  .string()
  .transform((text, context) => {
    const list = listed(text);
    for (const part of list.filter((origin) => !isOrigin(origin))) {
      context.addIssue({ code: 'custom', message: `"${part}" is not an origin, such as https://app.example.com` });
    }
    return list;
  })
  .default([]);

const MiB = 1024 * 1024;
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

const Environment = z.object({
  PORT: int(0, 65_535, 3000),
  HOST: z.string().min(1).default('127.0.0.1'),
  REDIS_URL: z
    .string()
    .superRefine((text, context) => {
      try {
        parseRedisUrl(text);
      } catch (error) {
        context.addIssue({ code: 'custom', message: (error as Error).message });
      }
    })
    .default('redis://127.0.0.1:6379'),
  REDIS_CA_FILE: z.string().min(1).refine(existsSync, 'is a file that does not exist').optional(),
  // The probe's connection is given up after three seconds of silence by itself.
  REDIS_TIMEOUT_MS: int(200, 3_000, 300),
  KEY_PREFIX: z
    .string()
    .regex(/^[a-zA-Z0-9_-]{1,20}$/, 'must be 1–20 letters, digits, - or _')
    .default('bl'),
  // Without it one, or what a Cluster needs: readConfig sees to it.
  PARTITIONS: whole(1, MAX_PARTITIONS).optional(),
  DATA_DIR: z.string().min(1).default('.data'),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  HEALTH_FILE: z.string().default(''),

  API_KEYS: apiKeys,
  CORS_ORIGINS: origins,

  DEFAULT_MODEL: z.string().min(1).optional(),
  OPENAI_API_KEY: ApiKey.optional(),
  OPENAI_BASE_URL: ModelServerUrl.optional(),
  PROVIDERS: ProviderList,
  OLLAMA_HOST: OllamaHost.optional(),
  OLLAMA_API_KEY: ApiKey.optional(),
  // Node's fetch gives up after five minutes of silence by itself.
  IDLE_TIMEOUT_MS: int(10, 5 * MINUTE, 60_000),
  TASK_TIMEOUT_MS: int(100, DAY, 5 * MINUTE),

  QUEUES: numberMap(1),
  GLOBAL_CONCURRENCY: numberMap(0),
  LOCK_DURATION_MS: int(500, 10 * MINUTE, 10_000),
  CLOCK_TOLERANCE_MS: int(10, DAY, 1_000),
  PROGRESS_TIMEOUT_MS: int(1_000, 60 * MINUTE, 30_000),
  DRAIN_MS: int(0, 10 * MINUTE, 8_000),
  LEAVE_MS: int(0, 10 * MINUTE, 0),
  CANCEL_GRACE_MS: int(500, 10 * MINUTE, 10_000),
  RETRY_BASE_MS: int(1, MINUTE, 1_000),
  RETRY_MAX_MS: int(1, 60 * MINUTE, MINUTE),

  MAX_BODY_BYTES: int(1024, 512 * MiB, 10 * MiB),
  MAX_BODY_DEPTH: int(4, 10_000, 64),
  MAX_BODY_VALUES: int(10, 10_000_000, 100_000),
  MAX_HEADER_BYTES: int(1024, MiB, 16 * 1024),
  MAX_OUTPUT_BYTES: int(1024, 256 * MiB, 4 * MiB),
  MAX_QUEUE_TASKS: int(1, 10_000_000, 100_000),
  MAX_QUEUE_BYTES: int(1024, 64 * 1024 * MiB, 512 * MiB),
  MAX_OWNER_TASKS: int(1, 10_000_000, 100_000),
  MAX_OWNER_STREAMS: int(1, 1_000_000, 10_000),
  OWNER_SPREAD_MS: int(0, 60 * MINUTE, 1_000),
  RATE_LIMIT: int(0, 1_000_000, 1_000),
  REQUEST_TIMEOUT_MS: int(100, 10 * MINUTE, 10_000),
  KEEP_ALIVE_MS: int(1_000, 60 * MINUTE, 75_000),
  HEARTBEAT_MS: int(50, 10 * MINUTE, 15_000),
  READER_TIMEOUT_MS: int(100, 10 * MINUTE, 30_000),

  MONGODB_URI: z
    .string()
    .regex(/^mongodb(\+srv)?:\/\/[^/]/, 'must begin with mongodb:// or mongodb+srv:// and name a host')
    .optional(),
  MONGODB_DATABASE: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,38}$/, 'must be 1–38 letters, digits, _ or -')
    .default('beanline'),
  MONGODB_POOL: int(1, 1_000, 50),
  STORE_TIMEOUT_MS: int(100, MINUTE, 5_000),
  STORE_RETENTION_DAYS: int(0, 36_500, 0),
  ARCHIVE_EVENT_BYTES: int(0, 8 * MiB, MiB),
  CONTEXT_MESSAGES: int(1, 1_000, 10),
  CONTEXT_TOKENS: int(100, 10_000_000, 4_000),
  CONTEXT_TTL_MS: int(1_000, 30 * DAY, 30 * MINUTE),
  PREFERENCES_TTL_MS: int(1_000, 30 * DAY, 60 * MINUTE),
  SUMMARY_AFTER_MESSAGES: int(1, 10_000, 15),
  AUTO_TITLES: z.enum(['on', 'off']).default('on'),
  SESSION_CACHE_MS: int(0, DAY, MINUTE),
  SESSION_LIST_CACHE_MS: int(0, DAY, 5 * MINUTE),
  ANSWER_CACHE_MS: int(1_000, 30 * DAY, 60 * MINUTE),
  ANSWER_CACHE_BYTES: int(1_024, MiB, 64 * 1024),

  TASK_RETENTION_MS: int(1_000, 365 * DAY, DAY),
  IDEMPOTENCY_RETENTION_MS: int(1_000, 365 * DAY, DAY),
  SWEEP_INTERVAL_MS: int(50, MINUTE, 1_000),
  SWEEP_FIRST_CHECK_MS: int(100, 10 * MINUTE, 5_000),
});

/** What a program is configured with. */
export type Environment = z.output<typeof Environment> & { PARTITIONS: number };

/** Thrown when the environment is not valid; its message names every variable that is wrong. */
export class ConfigError extends Error {
  readonly problems: string[];
  constructor(problems: string[]) {
    super(`The configuration is not valid:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Whether only this machine reaches a host of this name or address. */
export const isLoopback = (host: string) => host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);

/** Reads the configuration out of an environment. Empty variables count as absent. */
export function readConfig(env: Record<string, string | undefined>): Environment {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = Environment.safeParse(given);
  const problems = parsed.success
    ? []
    : parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  const providers = withKeys(parsed.data?.PROVIDERS ?? [], given, problems);
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  const PARTITIONS = parsed.data.PARTITIONS ?? partitionsOf(parseRedisUrl(parsed.data.REDIS_URL));
  return { ...parsed.data, PARTITIONS, PROVIDERS: providers };
}

/** The variables and their defaults, for the README's table and its test. */
export function configVariables(): { name: string; fallback: string }[] {
  const defaults = Environment.parse({}) as Record<string, unknown>;
  return Object.keys(Environment.shape).map((name) => {
    const value = defaults[name];
    return { name, fallback: value === undefined || typeof value === 'object' ? '' : String(value) };
  });
}
