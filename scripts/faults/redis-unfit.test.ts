/** A Redis that would lose accepted work is refused at the start, with words that say what to change. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parseRedisUrl } from '@beanline/shared/redis/address.ts';
import { connect, connected } from '@beanline/shared/redis/connect.ts';
import { checkSettings } from '@beanline/shared/redis/requirements.ts';
import { findRedisServer } from '../testing/find-redis-server.ts';
import { INHERITED } from '../testing/system.ts';
import { silentLog } from '../testing/task-redis.ts';
import { testRedis } from '../testing/test-redis.ts';

const MAINS = ['apps/api/src/main.ts', 'workers/runner/src/main.ts', 'workers/relay/src/main.ts'] as const;

async function run(main: string, url: string) {
  const child = spawn(process.execPath, [fileURLToPath(new URL(`../../${main}`, import.meta.url))], {
    env: { ...INHERITED, REDIS_URL: url, PORT: '0', BEANLINE_PARENT: '1' },
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const [code] = await once(child, 'exit');
  return { code, text };
}

for (const [what, args, message] of [
  ['evicts', ['--maxmemory-policy', 'allkeys-lru'], /maxmemory-policy allkeys-lru: must be noeviction/],
  ['keeps nothing on disk', ['--appendonly', 'no'], /appendonly no: must be yes/],
] as const) {
  test(`no program starts on a Redis that ${what}: it says so and exits with 78`, async (t) => {
    const redis = await testRedis({ args: [...args] });
    t.after(redis.stop);
    for (const { code, text } of await Promise.all(MAINS.map((main) => run(main, redis.url)))) {
      assert.equal(code, 78, text);
      assert.match(text, message);
      assert.doesNotMatch(text, /\n\s+at /, 'no stack');
    }
    assert.equal(await redis.cli('dbsize'), '0', 'nothing was written');
  });

  test(`the command that a program tells for a Redis that ${what} mends it`, async (t) => {
    const redis = await testRedis({ args: [...args] });
    t.after(redis.stop);
    const { text } = await run(MAINS[0], redis.url);
    const [, command = ''] = /Run: (redis-cli .*), and put/.exec(text) ?? [];
    const PATH = `${dirname(await findRedisServer())}:${process.env.PATH}`;
    await promisify(execFile)('sh', ['-c', command], { env: { PATH } });
    const client = connect(parseRedisUrl(redis.url), { name: 'test', for: 'worker', log: silentLog });
    t.after(() => client.disconnect());
    await connected(client);
    await checkSettings(client);
  });
}
