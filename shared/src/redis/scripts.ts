/**
 * Loads the eight scripts. Each `.lua` file but `create` gets the prelude behind its `#!lua` line, which stays first. They are
 * called by their hash and sent whole when Redis does not know them (a restart, SCRIPT FLUSH).
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { nodesOf, type RedisConnection } from './connect.ts';

export type ScriptName = 'create' | 'begin' | 'append' | 'release' | 'finish' | 'cancel' | 'answer' | 'adjust';
type Reply = (string | number)[];

function load(name: ScriptName) {
  const read = (file: string) => readFileSync(new URL(`../record/scripts/${file}.lua`, import.meta.url), 'utf8');
  const [first, ...rest] = read(name).split('\n');
  const prelude = name === 'create' ? [] : [read('prelude')];
  const source = [first, ...prelude, ...rest].join('\n');
  return { source, sha: createHash('sha1').update(source).digest('hex') };
}

/** Replies that say: not now. What such a reply refused has not happened. */
const NOT_NOW = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MISCONF|NOREPLICAS|BUSY) /;
const RETRY_MS = 200;

/** `patienceMs`: how long a script is sent again while Redis says "not now"; 0 for those whose caller waits. */
export function createScripts(redis: RedisConnection, patienceMs: number) {
  const scripts = Object.fromEntries(
    (['create', 'begin', 'append', 'release', 'finish', 'cancel', 'answer', 'adjust'] as const).map((name) => [
      name,
      load(name),
    ]),
  ) as Record<ScriptName, { source: string; sha: string }>;

  // Known to Redis before the first request needs them, also after a restart.
  const teach = (node: Redis) => {
    for (const { source } of Object.values(scripts)) node.script('LOAD', source).catch(() => undefined);
  };
  redis.on('ready', () => nodesOf(redis).forEach(teach));
  redis.on('+node', teach);

  async function send(name: ScriptName, keys: string[], args: (string | number)[]): Promise<unknown> {
    const { source, sha } = scripts[name];
    try {
      return await redis.evalsha(sha, keys.length, ...keys, ...args);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return await redis.eval(source, keys.length, ...keys, ...args);
    }
  }

  return async function run<Answer = Reply>(
    name: ScriptName,
    keys: string[],
    args: (string | number)[],
  ): Promise<Answer> {
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

export type Run = ReturnType<typeof createScripts>;
