/**
 * Loads the seven scripts. Each `.lua` file gets the prelude behind its `#!lua` line, which must stay first. They are
 * called by their hash and sent whole when Redis does not know them (a restart, SCRIPT FLUSH).
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Cluster, Redis } from 'ioredis';

export type ScriptName = 'create' | 'begin' | 'append' | 'release' | 'finish' | 'cancel' | 'answer';
type Reply = (string | number)[];

function load(name: ScriptName) {
  const read = (file: string) => readFileSync(new URL(`scripts/${file}.lua`, import.meta.url), 'utf8');
  const [first, ...rest] = read(name).split('\n');
  const source = [first, read('prelude'), ...rest].join('\n');
  return { source, sha: createHash('sha1').update(source).digest('hex') };
}

export function createScripts(redis: Redis | Cluster) {
  const scripts = Object.fromEntries(
    (['create', 'begin', 'append', 'release', 'finish', 'cancel', 'answer'] as const).map((name) => [name, load(name)]),
  ) as Record<ScriptName, { source: string; sha: string }>;

  // Known to Redis before the first request needs them, also after a restart.
  redis.on('ready', () => {
    for (const { source } of Object.values(scripts)) redis.script('LOAD', source).catch(() => undefined);
  });

  return async function run(name: ScriptName, keys: string[], args: (string | number)[]): Promise<Reply> {
    const { source, sha } = scripts[name];
    try {
      return (await redis.evalsha(sha, keys.length, ...keys, ...args)) as Reply;
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return (await redis.eval(source, keys.length, ...keys, ...args)) as Reply;
    }
  };
}
