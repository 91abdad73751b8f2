import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { ConfigError, configVariables, readConfig } from './config.ts';

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

test('an empty environment is valid, and every variable but the optional ones has a default', () => {
  const config = readConfig({}) as Record<string, unknown>;
  const optional = ['DEFAULT_MODEL', 'OPENAI_API_KEY', 'OPENAI_BASE_URL', 'OLLAMA_HOST', 'OLLAMA_API_KEY'];
  for (const { name } of configVariables()) assert.equal(config[name] === undefined, optional.includes(name), name);
  assert.deepEqual(readConfig(Object.fromEntries(configVariables().map(({ name }) => [name, '']))), readConfig({}));
});

test('a default that is given as a value means the same', () => {
  const given = configVariables().filter(({ fallback }) => fallback !== '');
  assert.deepEqual(readConfig(Object.fromEntries(given.map(({ name, fallback }) => [name, fallback]))), readConfig({}));
});

test('every problem is told at once, each under its variable', () => {
  const wrong = {
    PORT: '70000',
    HOST: '0.0.0.0',
    REDIS_URL: 'http://127.0.0.1',
    KEY_PREFIX: 'a:b',
    PARTITIONS: '0',
    LOG_LEVEL: 'loud',
    OPENAI_BASE_URL: 'ftp://models',
    OLLAMA_HOST: 'ftp://models',
    OLLAMA_API_KEY: 'two words',
    PROVIDERS: 'vllm',
    QUEUES: 'chat.request,rag.query:0',
    DRAIN_MS: '1s',
    MAX_BODY_BYTES: '1e6',
  };
  const message = refusal(wrong);
  for (const name of Object.keys(wrong)) assert.match(message, new RegExp(`^  ${name}: .+`, 'm'));
  assert.match(message, /QUEUES: "chat\.request"/);
  assert.match(message, /QUEUES: "rag\.query:0"/);
});

test('a problem never quotes a key', () => {
  assert.doesNotMatch(refusal({ OPENAI_API_KEY: 'sk-canary-1', PORT: 'x' }), /canary/);
});

describe('without API keys only a loopback HOST is allowed', () => {
  for (const HOST of [
    '0.0.0.0',
    '::',
    '192.168.1.2',
    'example.com',
    '128.0.0.1',
    '127.0.0.1.example.com',
    '1270.0.1',
  ]) {
    test(`${HOST} is refused`, () => assert.match(refusal({ HOST }), /^ {2}HOST: .* loopback/m));
  }
  for (const HOST of ['127.0.0.1', '127.0.0.53', 'localhost', '::1']) {
    test(`${HOST} is taken`, () => assert.equal(readConfig({ HOST }).HOST, HOST));
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

test("the README's configuration table lists exactly the variables there are, with their defaults", () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const rows = [...readme.matchAll(/^\|\s*`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)`\s*\|\s*`?([^|`]*?)`?\s*\|/gm)];
  const listed = new Map(rows.map(([, name = '', fallback = '']) => [name, fallback]));
  const variables = configVariables();
  assert.equal(listed.size, rows.length, 'none twice');
  assert.deepEqual([...listed.keys()].sort(), variables.map(({ name }) => name).sort());
  for (const { name, fallback } of variables) if (fallback !== '') assert.equal(listed.get(name), fallback, name);
});
