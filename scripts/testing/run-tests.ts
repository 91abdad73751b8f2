/**
 * Runs the tests: `npm test` those of parts, contracts and the API; `npm run test:faults` those that kill, freeze, flood and
 * cut, and those that need real servers; `npm test -- FILE …` these files and nothing else. The longest files go first, so
 * that none is left alone at the end.
 */
import { existsSync, globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, matchesGlob, relative, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { testRedis } from './test-redis.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const ALL = '{apps,workers,shared,scripts}/**/*.test.ts';
const FAULTS = ['scripts/faults/**', 'shared/src/store/mongo/**', 'shared/src/models/providers/live.test.ts'];
/** Those that take longest, the longest first. */
const LONG = [
  'scripts/faults/fuzz.test.ts',
  'scripts/faults/rolling-restart.test.ts',
  'scripts/faults/back-pressure.test.ts',
  'scripts/faults/on-cluster/crash-points.test.ts',
  'scripts/faults/on-cluster/worker.test.ts',
  'scripts/faults/crash-points.test.ts',
  'scripts/faults/crash-inbox.test.ts',
  'scripts/faults/cluster.test.ts',
  'scripts/faults/session-kills.test.ts',
  'scripts/faults/redis-restart.test.ts',
  'apps/api/src/routes/events-readers.test.ts',
  'apps/api/src/routes/canary.test.ts',
  'apps/api/src/routes/readyz.test.ts',
  'apps/api/src/http/drain.test.ts',
];
/** Only ends a file that hangs: a machine four times slower than ours takes minutes for the longest. */
const HANG_MS = 20 * 60_000;
/** Tests wait more than they work. */
const CONCURRENCY = Number(process.env.TEST_CONCURRENCY ?? Math.ceil(1.5 * availableParallelism()));

function files(args: string[]): string[] {
  const named = args.filter((arg) => arg !== '--faults');
  if (named.length > 0) return named.map((path) => relative(ROOT, resolve(path)));
  const all = globSync(ALL, { cwd: ROOT, exclude: (path) => path.includes('node_modules') });
  const isFault = (path: string) => FAULTS.some((pattern) => matchesGlob(path, pattern));
  return all.filter((path) => isFault(path) === args.includes('--faults'));
}

const rank = (path: string) => (LONG.includes(path) ? LONG.indexOf(path) : LONG.length);

const chosen = files(process.argv.slice(2)).sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
for (const path of [...chosen, ...LONG]) {
  if (existsSync(join(ROOT, path))) continue;
  process.stderr.write(`There is no file of tests at ${path}.\n`);
  process.exit(1);
}

process.env.NODE_COMPILE_CACHE ??= join(ROOT, '.data', 'compile-cache');
const redis = await testRedis();
process.env.TEST_REDIS_URL = redis.url;

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    process.exitCode = 1;
    stop.abort();
  });
const results = run({
  files: chosen.map((path) => join(ROOT, path)),
  concurrency: CONCURRENCY,
  timeout: HANG_MS,
  signal: stop.signal,
});
results.on('test:fail', ({ todo }) => {
  if (!todo) process.exitCode = 1;
});
results.compose(new spec()).pipe(process.stdout);
results.on('end', redis.stop);
