import assert from 'node:assert/strict';
import { type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findRedisServer } from '../testing/find-redis-server.ts';
import { testRedis } from '../testing/test-redis.ts';
import { holdDataDir } from './data-dir.ts';
import { cannotListen, freePort } from './free-port.ts';

/** Only bounds the wait for what never comes: on a busy machine a start takes many seconds. */
const PATIENCE_MS = 60_000;
const START = fileURLToPath(new URL('../start.ts', import.meta.url));

/** Programs that keep the contract of the real ones: listen, drain on SIGTERM or at the end of standard input. */
const EXIT = `process.on('SIGTERM', () => process.exit(0)); process.stdin.resume().on('end', () => process.exit(0));`;
const WORKER = ['-e', `${EXIT} setInterval(() => {}, 1000);`];
const API = [
  '-e',
  `${EXIT} require('http').createServer((q, r) => r.end(JSON.stringify({ pid: process.pid, redis: process.env.REDIS_URL, data: process.env.DATA_DIR }))).listen(Number(process.env.PORT), process.env.HOST);`,
];

// On a bare machine this installs it, which takes longer than the tests wait.
before(() => findRedisServer());

const cleanUps: (() => void)[] = [];
after(() => {
  for (const cleanUp of cleanUps.reverse()) cleanUp();
});

function temporaryDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'beanline-start-'));
  cleanUps.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function run(args: string[], env: Record<string, string>, program = process.execPath, as: SpawnOptions = {}) {
  const child = spawn(program, args, {
    ...as,
    env: { PATH: process.env.PATH, OLLAMA_HOST: 'off', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  cleanUps.push(() => child.kill('SIGTERM'));
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes) => {
      text += bytes;
    });
  const closed = once(child, 'close') as Promise<[number | null, string | null]>;
  return {
    child,
    output: () => text,
    async exitCode() {
      return (await closed)[0];
    },
    async says(pattern: RegExp) {
      for (const deadline = performance.now() + PATIENCE_MS; !pattern.test(text); await delay(10))
        if (performance.now() > deadline || child.stdout.closed) assert.fail(`no ${pattern} in:\n${text}`);
      return text;
    },
  };
}

/** The whole of `npm start`, with programs of our own. */
function runEmbedded(env: Record<string, string>, programs: Record<string, string[]> = {}) {
  const module = new URL('./run-embedded.ts', import.meta.url).href;
  const options = JSON.stringify({ argv: [], programs: { api: API, runner: WORKER, relay: WORKER, ...programs } });
  const code = `import { runEmbedded } from '${module}'; process.exit(await runEmbedded({ ...${options}, env: process.env }));`;
  return run(['--input-type=module', '-e', code], env);
}

async function setup(programs?: Record<string, string[]>) {
  const env = { DATA_DIR: temporaryDir(), PORT: String(await freePort()) };
  const start = () => runEmbedded(env, programs);
  const readyz = async () =>
    (await (await fetch(`http://127.0.0.1:${env.PORT}/readyz`)).json()) as { pid: number; redis: string; data: string };
  return { env, start, readyz };
}

const redisPid = (dataDir: string) =>
  JSON.parse(readFileSync(join(dataDir, 'redis', 'start.json'), 'utf8')).pid as number;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

test('a configuration that is wrong in several ways is reported in one go, without a stack, and no restart is asked for', async () => {
  const start = run([START, '--port', 'none', '--runners', '0'], { HEARTBEAT_MS: 'x', DATA_DIR: temporaryDir() });
  assert.equal(await start.exitCode(), 78);
  assert.match(start.output(), /PORT: /);
  assert.match(start.output(), /HEARTBEAT_MS: /);
  assert.match(start.output(), /--runners: /);
  assert.doesNotMatch(start.output(), /\n\s+at /);
});

test('an option that is not known is named, and no restart is asked for', async () => {
  const start = run([START, '--runner', '2'], { DATA_DIR: temporaryDir() });
  assert.equal(await start.exitCode(), 78);
  assert.match(start.output(), /'--runner'/);
  assert.doesNotMatch(start.output(), /\n\s+at /);
});

test('a second start on the same data directory is refused and told who has it', async () => {
  const dir = temporaryDir();
  const held = holdDataDir(dir, 'process 1, port 2');
  const refused = run([START], { DATA_DIR: dir, PORT: String(await freePort()) });
  assert.equal(await refused.exitCode(), 1);
  assert.match(refused.output(), /Another beanline \(process 1, port 2\) is running with the data directory/);
  held.release();
  holdDataDir(dir, 'next').release();
});

test('options that npm took for itself are told how to be given', async () => {
  for (const [args, told] of [
    [['--runners', '4'], /Write -- before it: npm start -- --runners 4$/m],
    [['--port=8080'], /Write -- before it: npm start -- --port 8080$/m],
    [['4'], /Options come after --, as in npm start -- --runners 4$/m],
  ] as const) {
    const start = run(['start', ...args], { DATA_DIR: temporaryDir(), HOME: temporaryDir() }, 'npm');
    assert.equal(await start.exitCode(), 78);
    assert.match(start.output(), told);
  }
});

test('a data directory that cannot be written is told with its variable, the reason and the command that mends it', async () => {
  const file = join(temporaryDir(), 'file');
  writeFileSync(file, '');
  const closed = temporaryDir();
  chmodSync(closed, 0o500);
  // Root may write anywhere.
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  for (const [dir, why] of [
    [file, 'it is no folder'],
    [join(file, 'below'), 'it is no folder'],
    ['/proc/beanline/below', 'ENOENT'],
    [join(closed, 'below'), 'EACCES'],
    [closed, 'unable to open database file'],
  ] as const) {
    const start = run([START], { DATA_DIR: dir }, process.execPath, dir.startsWith(closed) ? nobody : {});
    assert.equal(await start.exitCode(), 78);
    assert.ok(start.output().includes(`DATA_DIR: ${dir} cannot be written: ${why}`), start.output());
    assert.match(start.output(), /choose another: DATA_DIR=~\/\.beanline npm start$/m);
    assert.equal(start.output().includes(`sudo mkdir -p ${dir} && sudo chown -R`), dir.startsWith(closed));
    assert.doesNotMatch(start.output(), /\n\s+at /);
  }
});

describe('a Redis of REDIS_URL that cannot be used is told with its variable and what to do', () => {
  const start = (REDIS_URL: string) =>
    run([START, '--port', '0'], { DATA_DIR: temporaryDir(), OLLAMA_HOST: 'off', REDIS_URL });

  test('of another scheme', async () => {
    for (const url of ['http://127.0.0.1:6379', '127.0.0.1:6379']) {
      const refused = start(url);
      assert.equal(await refused.exitCode(), 78);
      assert.match(refused.output(), /REDIS_URL: must be redis:\/\/host:port/);
    }
  });

  test('away, on this machine and on another', async () => {
    const port = await freePort();
    const refused = start(`redis://:canary@127.0.0.1:${port}`);
    assert.equal(await refused.exitCode(), 1);
    const said = `REDIS_URL: the Redis at 127.0.0.1:${port} cannot be used: connect ECONNREFUSED 127.0.0.1:${port}.`;
    assert.ok(refused.output().includes(said), refused.output());
    assert.ok(refused.output().includes(`redis-server --port ${port} --appendonly yes`), refused.output());
    assert.match(refused.output(), /env -u REDIS_URL npm start/);
    const elsewhere = start('redis://:canary@redis.invalid:6379');
    assert.equal(await elsewhere.exitCode(), 1);
    assert.match(elsewhere.output(), /REDIS_URL: the Redis at redis\.invalid:6379 .*redis-cli -u "\$REDIS_URL" ping/);
    for (const { output } of [refused, elsewhere]) assert.doesNotMatch(output(), /canary|\n\s+at /);
  });

  test('asking for a password', async (t) => {
    const redis = await testRedis();
    t.after(redis.stop);
    await redis.cli('config', 'set', 'requirepass', 'secret');
    for (const url of [redis.url, redis.url.replace('//', '//:canary@')]) {
      const refused = start(url);
      assert.equal(await refused.exitCode(), 1);
      assert.match(refused.output(), /REDIS_URL: .*(NOAUTH|WRONGPASS).*REDIS_URL=redis:\/\/:<password>@/);
      assert.doesNotMatch(refused.output(), /canary/);
    }
  });

  test('losing what it has accepted, once and not by each program', async (t) => {
    const redis = await testRedis({ args: ['--appendonly', 'no'] });
    t.after(redis.stop);
    const refused = start(redis.url);
    assert.equal(await refused.exitCode(), 78);
    assert.equal(refused.output().match(/appendonly no: must be yes/g)?.length, 1, refused.output());
  });
});

test('a broken job type of JOBS_DIR is told once, before anything is started', async () => {
  const dir = temporaryDir();
  writeFileSync(join(dir, 'broken.ts'), '\nexport const a = {{;');
  const start = run([START], { DATA_DIR: temporaryDir(), JOBS_DIR: dir });
  assert.equal(await start.exitCode(), 78);
  assert.equal(start.output().split('broken.ts:2: ').length, 2, start.output());
  assert.doesNotMatch(start.output(), /\n\s+at |beanline is ready/);
});

test('a port in use is named, and who has it', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  cleanUps.push(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const start = run([START], { DATA_DIR: temporaryDir(), PORT: String(port) });
  assert.equal(await start.exitCode(), 1);
  const said = `Port ${port} (PORT) on 127.0.0.1 is in use by process ${process.pid} (`;
  assert.ok(start.output().includes(said), start.output());
  assert.ok(start.output().includes(`npm start -- --port ${port + 1}`), start.output());
});

test('it says where it is, stops everything on SIGTERM and comes back on the same Redis port', async () => {
  const { env, start, readyz } = await setup();
  const first = start();
  assert.match(await first.says(/Ctrl-C/), /ready at http:\/\/127.0.0.1:\d+ .*builtin\/extract \(not an LLM.*curl -N/s);
  const before = await readyz();
  assert.equal(before.data, env.DATA_DIR);
  const redis = redisPid(env.DATA_DIR);
  first.child.kill('SIGTERM');
  assert.equal(await first.exitCode(), 0);
  assert.equal(isAlive(before.pid), false);
  assert.equal(isAlive(redis), false);

  const second = start();
  await second.says(/Ctrl-C/);
  assert.equal((await readyz()).redis, before.redis);
  second.child.kill('SIGINT');
  assert.equal(await second.exitCode(), 0);
});

test('listening on every address, it names one that a browser opens', async () => {
  for (const [HOST, named] of [
    ['0.0.0.0', '127.0.0.1'],
    ['::', '[::1]'],
  ] as const) {
    if ((await cannotListen(0, HOST)) !== undefined) continue;
    const PORT = String(await freePort(HOST));
    const start = runEmbedded({ DATA_DIR: temporaryDir(), PORT, HOST });
    const text = await start.says(/Ctrl-C/);
    assert.ok(text.includes(`ready at http://${named}:${PORT} `), text);
    assert.equal((await fetch(`http://${named}:${PORT}/`)).status, 200);
    start.child.kill('SIGTERM');
    assert.equal(await start.exitCode(), 0);
  }
});

test('after a SIGKILL the programs end by themselves, and the next start ends the Redis that was left', async () => {
  const { env, start, readyz } = await setup();
  const first = start();
  await first.says(/Ctrl-C/);
  const { pid } = await readyz();
  const redis = redisPid(env.DATA_DIR);
  cleanUps.push(() => isAlive(redis) && process.kill(redis, 'SIGKILL'));
  first.child.kill('SIGKILL');
  await first.exitCode();
  for (const deadline = performance.now() + PATIENCE_MS; isAlive(pid) && performance.now() < deadline; )
    await delay(10);
  assert.equal(isAlive(pid), false);
  assert.equal(isAlive(redis), true);

  const second = start();
  await second.says(/ended the Redis an earlier start has left behind.*Ctrl-C/s);
  assert.equal(isAlive(redis), false);
  second.child.kill('SIGTERM');
  assert.equal(await second.exitCode(), 0);
});

test('a program that finds its configuration unacceptable ends the start with its reason', async () => {
  const line = JSON.stringify({
    level: 50,
    msg: 'Redis must not evict',
    error: { name: 'Error', message: 'allkeys-lru' },
  });
  const { start } = await setup({ runner: ['-e', `console.error('${line}'); process.exit(78)`] });
  const refused = start();
  assert.equal(await refused.exitCode(), 78);
  assert.match(refused.output(), /runner-1 error: Redis must not evict error=Error allkeys-lru/);
});

test('a program that dies in a loop is told with the last lines of its log, the quiet ones too', async () => {
  const line = JSON.stringify({ level: 30, msg: 'opening the model', path: '/models/a' });
  const { start } = await setup({ runner: ['-e', `console.error('${line}'); process.exit(3)`] });
  const started = start();
  await started.says(
    /runner-1 dies in a loop: 5 times in a row, at last it ended with code 3; the last lines of its log:/,
  );
  await started.says(/ {4}runner-1 info: opening the model path=\/models\/a/);
  started.child.kill('SIGTERM');
  assert.equal(await started.exitCode(), 0);
});

test('the default model is told, and its runners are told the same', async () => {
  const tags = JSON.stringify({ models: [{ name: 'bean:latest' }], capabilities: ['completion'] });
  const server = createHttpServer((_, response) => response.end(tags)).listen(0, '127.0.0.1');
  cleanUps.push(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const runner = ['-e', `console.log('runs', process.env.DEFAULT_MODEL); ${WORKER[1]}`];
  const env = { DATA_DIR: temporaryDir(), PORT: String(await freePort()), OLLAMA_HOST: `:${port}` };
  const start = runEmbedded(env, { runner });
  await start.says(new RegExp(`model +ollama/bean:latest \\(at http://127.0.0.1:${port}\\)`));
  await start.says(/^runs ollama\/bean:latest$/m);
  start.child.kill('SIGTERM');
  assert.equal(await start.exitCode(), 0);
});

test('a start is ready and answers although the environment sends all of Node through a proxy that is away', async () => {
  const proxy = `http://127.0.0.1:${await freePort()}`;
  const proxied = { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: proxy, HTTPS_PROXY: proxy };
  const start = runEmbedded({ DATA_DIR: temporaryDir(), PORT: String(await freePort()), ...proxied });
  await start.says(/beanline is ready at/);
  start.child.kill('SIGTERM');
  assert.equal(await start.exitCode(), 0);
});

test('a model server that is configured and not there yet is told, and does not keep the start', async () => {
  const runner = ['-e', `console.log('runs', process.env.DEFAULT_MODEL); ${WORKER[1]}`];
  const env = { DATA_DIR: temporaryDir(), PORT: String(await freePort()), OLLAMA_HOST: `:${await freePort()}` };
  const start = runEmbedded(env, { runner });
  await start.says(/model +not known yet, ollama \(at http:.*\): ollama is not reachable.* Is it running\?/);
  await start.says(/^runs undefined$/m);
  start.child.kill('SIGTERM');
  assert.equal(await start.exitCode(), 0);
});

test('a second Ctrl-C kills at once what does not drain', async () => {
  const relay = ['-e', `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('relay holds')`];
  const { start } = await setup({ relay });
  const stubborn = start();
  await stubborn.says(/(?=.*Ctrl-C)(?=.*relay holds)/s);
  stubborn.child.kill('SIGINT');
  await stubborn.says(/stopping/);
  await delay(600);
  assert.equal(stubborn.child.exitCode, null);
  stubborn.child.kill('SIGINT');
  assert.equal(await stubborn.exitCode(), 130);
});
