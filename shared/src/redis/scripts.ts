/** Scripts in Lua. They are called by their hash, and sent whole when Redis does not know them: a restart, SCRIPT FLUSH. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { nodesOf, type RedisConnection } from './connect.ts';

type Script = { source: string; sha: string };
type Reply = (string | number)[];

/** Reads `<name>.lua` of a directory. A prelude is put behind the `#!lua` line of each, which stays first. */
export function readScripts<Name extends string>(
  directory: URL,
  names: readonly Name[],
  prelude?: string,
): Record<Name, Script> {
  const read = (name: string) => readFileSync(new URL(`${name}.lua`, directory), 'utf8');
  const scripts = names.map((name) => {
    const [first, ...rest] = read(name).split('\n');
    const source = [first, ...(prelude === undefined ? [] : [read(prelude)]), ...rest].join('\n');
    return [name, { source, sha: createHash('sha1').update(source).digest('hex') }];
  });
  return Object.fromEntries(scripts) as Record<Name, Script>;
}

/** Replies that say: not now. What such a reply refused has not happened. */
const NOT_NOW = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MISCONF|NOREPLICAS|BUSY) /;
const RETRY_MS = 200;

/** `patienceMs`: how long a script is sent again while Redis says "not now"; 0 for those whose caller waits. */
export function createScripts<Name extends string>(
  redis: RedisConnection,
  scripts: Record<Name, Script>,
  patienceMs: number,
) {
  // Known to Redis before the first request needs them, also after a restart.
  const teach = (node: Redis) => {
    for (const { source } of Object.values<Script>(scripts)) node.script('LOAD', source).catch(() => undefined);
  };
  redis.on('ready', () => nodesOf(redis).forEach(teach));
  redis.on('+node', teach);

  async function send(name: Name, keys: string[], args: (string | number)[]): Promise<unknown> {
    const { source, sha } = scripts[name];
    try {
      return await redis.evalsha(sha, keys.length, ...keys, ...args);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return await redis.eval(source, keys.length, ...keys, ...args);
    }
  }

  return async function run<Answer = Reply>(name: Name, keys: string[], args: (string | number)[]): Promise<Answer> {
    for (const until = performance.now() + patienceMs; ; ) {
      try {
        return (await send(name, keys, args)) as Answer;
      } catch (error) {
        const wait = error instanceof Error && NOT_NOW.test(error.message) && performance.now() < until;
        if (!wait) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  };
}
