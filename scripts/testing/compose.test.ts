import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { variables } from '../docs/variables.ts';
import { freePort } from '../start/free-port.ts';
import { REDIS_IMAGE } from '../start/redis/how-to-get-redis.ts';
import { waitForRedis } from '../start/redis/redis-server.ts';
import { compose, read, root } from './compose-file.ts';
import { findRedisServer } from './find-redis-server.ts';
import { eventually } from './raw.ts';
import { type System, startSystem } from './system.ts';

const run = promisify(execFile);
/** Everything that Node sends by itself goes through a proxy that is away. */
const AWAY_PROXY = { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: 'http://127.0.0.1:9' };
const SECRETS = { REDIS_PASSWORD: 'secret', API_KEYS: 'me:key' };
const { services, networks, volumes, service } = compose(SECRETS);
const PROGRAMS = ['api', 'runner', 'relay'];
const each = Object.entries(services);
const known = new Map(variables.map(({ name, fallback }) => [name, fallback]));

/** `20s`, `1m30s` in milliseconds. */
function duration(text: string): number {
  const [, minutes = '0', seconds = '0'] = /^(?:(\d+)m)?(?:(\d+)s)?$/.exec(text) ?? assert.fail(text);
  return Number(minutes) * 60_000 + Number(seconds) * 1_000;
}

test('Redis, API, runner and relay start by default; MongoDB, Kafka and Ollama when asked for by their profile', () => {
  const byDefault = each.filter(([, { profiles }]) => !profiles).map(([name]) => name);
  assert.deepEqual(byDefault.sort(), ['api', 'redis', 'relay', 'runner']);
  for (const name of ['mongo', 'kafka', 'ollama']) assert.deepEqual(service(name).profiles, [name]);
});

test('nothing but the API is reached from outside, and that only from this host unless told otherwise', () => {
  for (const [name, { ports }] of each) assert.deepEqual(ports ?? [], name === 'api' ? ['127.0.0.1:3000:3000'] : []);
  assert.equal(networks.data?.internal, true);
  for (const name of ['redis', 'mongo', 'kafka']) assert.deepEqual(service(name).networks, ['data']);
});

test('without a password for Redis, or without API keys, Compose refuses and says what to do', () => {
  assert.throws(() => compose({ API_KEYS: 'me:key' }), /put REDIS_PASSWORD into \.env/);
  assert.throws(() => compose({ REDIS_PASSWORD: 'secret' }), /put API_KEYS into \.env, as owner:key,owner:key/);
  assert.ok(read('.gitignore').split('\n').includes('.env'));
});

test('every image is pinned, ours to the version of the package, Redis to that of npm start', () => {
  for (const [name, { image }] of each) assert.match(image, /:v?\d+\.\d+\.\d+(-[a-z]+)?$/, name);
  for (const name of PROGRAMS)
    assert.equal(service(name).image, `beanline:${JSON.parse(read('package.json')).version}`);
  assert.equal(service('redis').image, REDIS_IMAGE);
});

test('every program has longer to stop than it may take, and Redis longer than its clients', () => {
  const drainMs = Number(known.get('DRAIN_MS'));
  for (const name of PROGRAMS) {
    assert.ok(duration(service(name).stop_grace_period) >= drainMs + 7_000, name);
    assert.ok(duration(service('redis').stop_grace_period) > duration(service(name).stop_grace_period), name);
    assert.deepEqual(service(name).depends_on, { redis: { condition: 'service_healthy' } });
  }
  assert.equal(duration(compose({ ...SECRETS, STOP_GRACE: '70s' }).service('runner').stop_grace_period), 70_000);
});

describe('every variable given to a program is one of its configuration', () => {
  for (const name of PROGRAMS)
    test(name, () => {
      const unknown = Object.keys(service(name).environment ?? {}).filter((variable) => !known.has(variable));
      assert.deepEqual(unknown, []);
    });
});

test('a program is given no secret it has no use for', () => {
  const KEYS = ['API_KEYS', 'OPENAI_API_KEY', 'OLLAMA_API_KEY', 'PROVIDERS'];
  const given = { ...SECRETS, ...Object.fromEntries(KEYS.map((name) => [name, `canary ${name}`])) };
  const holds = (name: string, variable: string) => compose(given).service(name).environment?.[variable];
  for (const variable of KEYS) {
    const has = variable === 'API_KEYS' ? 'api' : 'runner';
    // Empty, not absent: that takes away what .env gives to all three.
    for (const name of PROGRAMS)
      assert.equal(holds(name, variable), name === has ? `canary ${variable}` : '', `${variable} of ${name}`);
  }
});

test('keys that PROVIDERS names have a file that only runners read, and that gets into no image and no history', () => {
  const files = (name: string) => service(name).env_file?.map(({ path }) => path);
  assert.deepEqual(PROGRAMS.map(files), [['.env'], ['.env', '.env.runner'], ['.env']]);
  assert.ok(read('.gitignore').split('\n').includes('.env.*'));
  assert.ok(read('.dockerignore').split('\n').includes('.env*'));
  assert.match(read('docs/operating.md'), /`\.env\.runner`/);
});

test('the variables that Compose sets itself, and all that it reads, are named in the page for operators', () => {
  const page = read('docs/operating.md');
  const [, exceptions = ''] = /configuration\.md\) may stand in `\.env`, except ([^.]*)\./.exec(page) ?? [];
  const canaries = Object.fromEntries([...known.keys()].map((name) => [name, 'canary']));
  const fixed = PROGRAMS.flatMap((name) =>
    Object.entries(compose({ ...SECRETS, ...canaries }).service(name).environment ?? {}).flatMap(([variable, value]) =>
      value === 'canary' || value === '' ? [] : [variable],
    ),
  );
  assert.deepEqual([...exceptions.matchAll(/`(\w+)`/g)].map(([, name]) => name).sort(), [...new Set(fixed)].sort());
  for (const [, name = ''] of read('docker-compose.yml').matchAll(/(?<!\$)\$\{(\w+)/g))
    assert.ok(known.has(name) || page.includes(`| \`${name}\``), name);
});

test('MongoDB has a user when it has a password, and starts without one', () => {
  const login = (variables: Record<string, string>) => {
    const { MONGO_INITDB_ROOT_USERNAME: user, MONGO_INITDB_ROOT_PASSWORD: password } =
      compose({ ...SECRETS, ...variables }).service('mongo').environment ?? {};
    return [user || '', password || ''];
  };
  assert.deepEqual(login({}), ['', '']);
  assert.deepEqual(login({ MONGO_PASSWORD: 'secret' }), ['beanline', 'secret']);
});

test('every service comes back, is watched, rotates its log and gains no privileges', () => {
  for (const [name, it] of each) {
    assert.equal(it.restart, 'unless-stopped', name);
    assert.ok(it.healthcheck.test.length > 1, name);
    assert.ok(it.logging.options['max-size'] && it.logging.options['max-file'], name);
    assert.ok(it.security_opt.includes('no-new-privileges:true'), name);
  }
  for (const name of [...PROGRAMS, 'redis']) {
    const it = service(name);
    assert.deepEqual([it.read_only, it.cap_drop, it.init], [true, ['ALL'], true], name);
    assert.ok(it.deploy?.resources.limits.memory, name);
  }
  assert.match(service('redis').user ?? '', /^[1-9]\d*:[1-9]\d*$/);
});

test('what holds data has a volume of its own, and each volume is declared', () => {
  const others = each.filter(([name]) => !PROGRAMS.includes(name));
  const mounted = others.flatMap(([, it]) => (it.volumes ?? []).map((volume) => volume.split(':')[0] ?? ''));
  assert.deepEqual([...mounted, 'store', 'jobs'].sort(), Object.keys(volumes).sort());
  for (const name of ['redis', 'mongo', 'kafka', 'ollama']) assert.ok(service(name).volumes?.length, name);
});

test('the three programs share one store, where the user they run as may write', () => {
  for (const name of PROGRAMS) {
    assert.equal(service(name).volumes?.[0], 'store:/data', name);
    assert.equal(service(name).environment?.DATA_DIR, '/data', name);
  }
  assert.match(read('Dockerfile'), /^RUN install -d -o node -g node \/data$[\s\S]*^USER node$/m);
});

test('a folder of job types is mounted into the three programs, to be read and not written; without one there are none', () => {
  for (const name of PROGRAMS) {
    const given = compose({ ...SECRETS, JOBS_DIR: './mine' }).service(name);
    assert.deepEqual([given.environment?.JOBS_DIR, given.volumes?.slice(1)], ['/jobs', ['./mine:/jobs:ro']], name);
    assert.deepEqual(
      [service(name).environment?.JOBS_DIR || '', service(name).volumes?.slice(1)],
      ['', ['jobs:/jobs:ro']],
    );
  }
});

test('the command of each program names a file that is there', () => {
  for (const name of PROGRAMS) {
    const [node, file = '', ...more] = service(name).command ?? [];
    assert.deepEqual([node, more], ['node', []]);
    assert.ok(existsSync(join(root, file)), file);
  }
});

function temporaryDir(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'beanline-compose-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('Redis as it is set up there wants its password, and holds accepted work to the satisfaction of every program', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'beanline-compose-'));
  const port = await freePort();
  const bin = dirname(await findRedisServer());
  const [shell = '', flag = '', command = ''] = service('redis').command ?? [];
  const here = command
    .replaceAll('/tmp/', `${dir}/`)
    .replace('--dir /data', `--dir ${dir} --port ${port} --bind 127.0.0.1`);
  assert.notEqual(here, command);
  const password = "it's $a 'p\"ass";
  const env = { PATH: `${bin}:${process.env.PATH}`, REDIS_PASSWORD: 'secret', REDIS_MAXMEMORY: '64mb' };
  const redis = spawn(shell, [flag, here], { env, stdio: 'ignore' });
  const ended = once(redis, 'exit');
  let system: System | undefined;
  t.after(async () => {
    await system?.stop();
    redis.kill('SIGKILL');
    await ended;
    rmSync(dir, { recursive: true, force: true });
  });
  await waitForRedis(port, { child: redis, password: 'secret' });

  const [, healthCommand = ''] = service('redis').healthcheck.test;
  const health = (secret: string) =>
    run('sh', ['-c', healthCommand.replace('redis-cli', `redis-cli -p ${port}`)], {
      env: { ...env, REDIS_PASSWORD: secret },
    });
  await health('secret');
  await assert.rejects(health(password));

  const url = `redis://:secret@127.0.0.1:${port}`;
  system = await startSystem({ redis: { url } as never });
  const [node, script = '', code = ''] = service('api').healthcheck.test.slice(1);
  assert.equal(node, 'node');
  const isHealthy = (on: number | undefined) =>
    run(process.execPath, [script, code], { env: { PORT: String(on), ...AWAY_PROXY } }).then(
      () => true,
      () => false,
    );
  const api = system.apis[0]?.port;
  await eventually(() => isHealthy(api), Boolean);
  assert.equal(await isHealthy(await freePort()), false);
});

test('the health check of a worker passes while its file is fresh, and fails when it is old or absent', async (t) => {
  const file = join(temporaryDir(t), 'health');
  for (const name of ['runner', 'relay']) {
    const [shell, command = ''] = service(name).healthcheck.test;
    assert.equal(shell, 'CMD-SHELL');
    const check = () => run('sh', ['-c', command], { env: { PATH: process.env.PATH, HEALTH_FILE: file } });
    rmSync(file, { force: true });
    await assert.rejects(check());
    writeFileSync(file, '');
    await check();
    const old = Date.now() / 1_000 - 20;
    utimesSync(file, old, old);
    await assert.rejects(check());
  }
});
