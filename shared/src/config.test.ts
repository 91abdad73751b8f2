import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { ConfigError, readConfig } from './config.ts';
import { sha256 } from './task-id.ts';

/** The message of a refused environment. */
function refusal(env: Record<string, string>): string {
  try {
    readConfig(env);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  throw new Error('it was not refused');
}

test('a problem never quotes a key', () => {
  assert.doesNotMatch(refusal({ OPENAI_API_KEY: 'sk-canary-1', DRAIN_MS: 'x' }), /canary/);
});

test('API_KEYS are kept as hashes with their owners, and a refusal quotes none of them', () => {
  const { API_KEYS } = readConfig({ API_KEYS: 'anna:canary-key-0123456789, team.b_2-x:bl_canary0123456789==' });
  assert.deepEqual(
    [...API_KEYS],
    [
      [sha256('canary-key-0123456789'), 'anna'],
      [sha256('bl_canary0123456789=='), 'team.b_2-x'],
    ],
  );
  for (const wrong of [
    'canary-key-0123456789',
    ':canary-key-0123456789',
    'anna:canary',
    'an na:canary-key-0123456789',
    'anna:canary key-0123456789',
    'anna:canary:key-0123456789',
    `${'a'.repeat(65)}:canary-key-0123456789`,
    'anna:canary-key-0123456789,ben:canary-key-0123456789',
    'anna:canary-key-0123456789;ben:canary-key-9876543210',
  ]) {
    const message = refusal({ API_KEYS: wrong });
    assert.match(message, /^ {2}API_KEYS: entry \d/m);
    assert.doesNotMatch(message, /canary/);
  }
});

test('queues are a map of names to numbers', () => {
  const { QUEUES } = readConfig({ QUEUES: 'chat.request:50, rag.query:5,' });
  assert.deepEqual(
    [...QUEUES],
    [
      ['chat.request', 50],
      ['rag.query', 5],
    ],
  );
});

test('a program that only reads its configuration loads no SDK of a provider, and no HTTP client', async () => {
  const code = `
    import { registerHooks } from 'node:module';
    const seen = [];
    registerHooks({ resolve: (name, context, next) => next(name, (seen.push(name), context)) });
    const { readConfig } = await import('./config.ts');
    readConfig({ OPENAI_API_KEY: 'k', OLLAMA_HOST: 'gpu', HTTP_PROXY: 'proxy:3128' });
    console.log(seen.join(' '));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], {
    cwd: import.meta.dirname,
  });
  assert.match(stdout, /\/openai\.ts/);
  assert.doesNotMatch(stdout, /undici|(^| )(openai|ollama)( |\/)/);
});
