import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, type TestContext, test } from 'node:test';
import { findRedisServer } from '../../testing/find-redis-server.ts';
import type { Machine } from './machine.ts';

/** The Redis of the machine that runs the tests; the machines below have none, or get it as their own. */
let realServer = '';
before(async () => {
  realServer = await findRedisServer();
});

/**
 * A machine with only these programs, each a shell script in place of somebody else's tool, or a real one by its path.
 * What a script adds to `$CALLS` is what `calls` gives.
 */
function setup(t: TestContext, tools: Record<string, string>, more: Partial<Machine> = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'beanline-machine-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const bin = join(dir, 'bin');
  const calls = join(dir, 'calls');
  mkdirSync(bin);
  for (const [name, code] of Object.entries(tools)) {
    if (code.startsWith('/')) symlinkSync(code, join(bin, name));
    else writeFileSync(join(bin, name), `#!/bin/sh\nCALLS=${calls}\nBIN=${bin}\n${code}\n`, { mode: 0o755 });
  }
  const machine: Machine = {
    platform: 'linux',
    root: false,
    folders: [bin],
    packages: join(dir, 'data', 'packages'),
    ...more,
  };
  return { machine, bin, dir, calls: () => (existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : []) };
}

const version = (text: string) => `echo 'Redis server v=${text} sha=00000000:0 malloc=jemalloc bits=64'`;
const refusal = (machine: Machine) =>
  findRedisServer(machine).then(
    (path) => assert.fail(`found ${path}`),
    (error: Error) => error.message,
  );

test('a program on the PATH that is new enough is taken, a Valkey too, and one that is too old is passed over', async (t) => {
  const { machine, bin } = setup(t, { 'redis-server': version('6.2.1'), 'valkey-server': version('8.1.3') });
  assert.equal(await findRedisServer(machine), join(bin, 'valkey-server'));
});

test('Homebrew is asked for Redis once, without questions, and what it installed is taken', async (t) => {
  const brew = `echo "$@ $NONINTERACTIVE" >> "$CALLS"; /bin/ln -s ${realServer} "$BIN/redis-server"`;
  const { machine, bin, calls } = setup(t, { brew }, { platform: 'darwin' });
  const found = await Promise.all([findRedisServer(machine), findRedisServer(machine)]);
  assert.deepEqual(found, [join(bin, 'redis-server'), join(bin, 'redis-server')]);
  assert.deepEqual(calls(), ['install redis 1']);
});

test('Homebrew, which works for no root, is left alone by root', async (t) => {
  const { machine, calls } = setup(t, { brew: 'echo "$@" >> "$CALLS"' }, { root: true, platform: 'darwin' });
  await assert.rejects(findRedisServer(machine));
  assert.deepEqual(calls(), []);
});

test('a source that fails hands over to the next one', async (t) => {
  const brew = `exec /bin/ln -s ${realServer} "$BIN/redis-server"`;
  const tools = { 'apt-get': 'exit 100', 'dpkg-deb': 'exit 1', sh: '/bin/sh', sed: '/bin/sed', brew };
  const { machine, bin } = setup(t, { ...tools, mkdir: '/bin/mkdir', rm: '/bin/rm' });
  assert.equal(await findRedisServer(machine), join(bin, 'redis-server'));
});

describe('without any source the message tells why, and the one command to run', () => {
  const aptTools = { 'dpkg-deb': 'exit 1', sh: '/bin/sh', sed: '/bin/sed', mkdir: '/bin/mkdir', rm: '/bin/rm' };
  const inst = (of: string) =>
    `case "$*" in *install*) echo 'Inst redis-server (${of} Debian:11/stable [amd64])';; esac`;
  const cases: [string, Record<string, string>, Partial<Machine>, RegExp][] = [
    [
      'a Mac without Homebrew',
      {},
      { platform: 'darwin' },
      /^No Redis 7 server was found\. Run: brew install redis \(Homebrew: https:\/\/brew\.sh\)\. Or set REDIS_URL/,
    ],
    [
      'a Mac whose Homebrew fails',
      { brew: 'exit 1' },
      { platform: 'darwin' },
      /Homebrew could not install Redis; .* Run: brew install redis\. /,
    ],
    ['Fedora', { dnf: 'exit 1' }, {}, /Run: sudo dnf install valkey\. /],
    ['Alpine as root', { apk: 'exit 1' }, { root: true }, /Run: apk add redis\. /],
    ['Arch', { pacman: 'exit 1' }, {}, /Run: sudo pacman -S valkey\. /],
    ['openSUSE', { zypper: 'exit 1' }, {}, /Run: sudo zypper install redis\. /],
    [
      'Debian without network',
      { 'apt-get': 'exit 100', ...aptTools },
      {},
      /could not be unpacked; .* Run: sudo apt-get install redis-server\. /,
    ],
    [
      'Debian without the package',
      { 'apt-get': 'exit 0', ...aptTools },
      {},
      /apt-get knows no redis-server package .* Run: sudo apt-get install redis-server\. /,
    ],
    [
      'a Debian that is too old',
      { 'apt-get': inst('5:6.0.16-1+deb11u2'), ...aptTools },
      {},
      /package of this system is older than 7\. Run: docker run .*noeviction, and set REDIS_URL=/,
    ],
    [
      'an old server alone',
      { 'redis-server': version('5.0.3') },
      {},
      /redis-server is version 5, beanline needs Redis 7 or newer\. Run: docker run /,
    ],
    [
      'nothing at all',
      {},
      {},
      /^No Redis 7 server was found\. Run: docker run -d -p 127\.0\.0\.1:6379:6379 redis:7\.\S+ redis-server --appendonly yes --maxmemory-policy noeviction, and set REDIS_URL=redis:\/\/127\.0\.0\.1:6379\. /,
    ],
  ];
  for (const [name, tools, more, expected] of cases)
    test(name, async (t) => {
      const { machine } = setup(t, tools, more);
      const message = await refusal(machine);
      assert.match(message, expected);
      assert.equal(message.match(/Run: /g)?.length, 1, message);
    });
});

test('a folder that cannot be written to is a reason, not a crash', async (t) => {
  const aptTools = { 'apt-get': 'exit 0', 'dpkg-deb': 'exit 0', sh: '/bin/sh', sed: '/bin/sed' };
  const { machine, dir } = setup(t, { brew: 'exit 0', ...aptTools });
  writeFileSync(join(dir, 'data'), 'a file where the folder should be');
  assert.match(await refusal(machine), /could not be unpacked into .*packages \(.* Homebrew was not tried: /);
});
