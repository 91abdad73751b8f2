import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findRedisServer } from '../../testing/find-redis-server.ts';
import { freePort } from '../free-port.ts';
import type { Machine } from './machine.ts';
import { startRedis, waitForRedis } from './redis-server.ts';

const NOBODY = 65_534;
const OF_THE_PACKAGES = /^Package: (redis|redis-server|redis-tools|libjemalloc2|liblzf1)$/m;
const NO_NETWORK = /Could not (resolve|connect)|Temporary failure|Unable to connect|Failed to fetch/;

const root = process.getuid?.() === 0;
const missing = ['/usr/bin/apt-get', '/usr/bin/dpkg-deb', ...(root ? ['/usr/bin/setpriv'] : [])].filter(
  (path) => !existsSync(path),
);

test('a user who may not install packages gets Redis from them all the same, with the libraries this system lacks', {
  skip: missing.length > 0 && `there is no ${missing.join(', ')}`,
}, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'beanline-unpack-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  chmodSync(dir, 0o755);
  const bin = join(dir, 'bin');
  const data = join(dir, 'data of nobody');
  const complaints = join(data, 'complaints');
  mkdirSync(bin);
  mkdirSync(data);
  if (root) chownSync(data, NOBODY, NOBODY);

  // This system without Redis: its list of installed packages, less those.
  const status = join(dir, 'status');
  const installed = readFileSync('/var/lib/dpkg/status', 'utf8').split('\n\n');
  writeFileSync(status, installed.filter((entry) => !OF_THE_PACKAGES.test(entry)).join('\n\n'));
  const system = 'PATH=/usr/sbin:/usr/bin:/sbin:/bin';
  const scripts: Record<string, string> = {
    'apt-get': `${system} exec apt-get "$@" -o Dir::State::status=${status} 2>>"${complaints}"`,
    'dpkg-deb': `${system} exec dpkg-deb "$@"`,
    sh: root
      ? `exec /usr/bin/setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups /bin/sh "$@"`
      : 'exec /bin/sh "$@"',
  };
  for (const [name, code] of Object.entries(scripts))
    writeFileSync(join(bin, name), `#!/bin/sh\n${code}\n`, { mode: 0o755 });
  for (const name of ['sed', 'mkdir', 'rm', 'mv', 'cat', 'chmod', 'dirname'])
    symlinkSync(`/bin/${name}`, join(bin, name));

  const packages = join(data, 'packages');
  // The lock is taken by this process, which is root's, in a folder of nobody's.
  const machine: Machine = { platform: 'linux', root: false, folders: [bin], packages };
  let server: string;
  try {
    server = await findRedisServer(machine);
  } catch (error) {
    if (NO_NETWORK.test(readFileSync(complaints, 'utf8'))) return t.skip('the package archive is not reached');
    throw error;
  }
  assert.equal(server, join(packages, 'bin', 'redis-server'));
  if (root) assert.equal(statSync(server).uid, NOBODY, 'nothing of it needed root');
  assert.deepEqual(readdirSync(packages).sort(), ['bin', 'root'], 'lists and archives are gone');

  // It goes by its own place.
  renameSync(data, join(dir, 'moved'));
  const moved = join(dir, 'moved', 'packages', 'bin');
  const port = await freePort();
  const redis = startRedis({ binary: join(moved, 'redis-server'), dir, port });
  t.after(() => redis.kill('SIGKILL'));
  await waitForRedis(port, { child: redis });
  assert.equal(execFileSync(join(moved, 'redis-cli'), ['-p', String(port), 'ping'], { encoding: 'utf8' }), 'PONG\n');
  assert.match(readFileSync(`/proc/${redis.pid}/maps`, 'utf8'), new RegExp(`${dir}/moved/packages/root/.*libjemalloc`));
  redis.kill('SIGTERM');
  assert.deepEqual(await once(redis, 'exit'), [0, null]);

  const again = { ...machine, packages: join(dir, 'moved', 'packages') };
  rmSync(join(bin, 'apt-get'));
  assert.equal(await findRedisServer(again), join(moved, 'redis-server'), 'what is there is not fetched again');
  assert.equal(spawnSync(join(moved, 'redis-server'), ['--version']).status, 0);
});
