import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { ConfigError, configVariables, isLoopback, readConfig } from './config.ts';
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

test('an empty environment is valid, and every variable but the optional ones has a default', () => {
  const config = readConfig({}) as Record<string, unknown>;
  const optional = [
    'DEFAULT_MODEL',
    'OPENAI_API_KEY',
    'OPENAI_BASE_URL',
    'OLLAMA_HOST',
    'OLLAMA_API_KEY',
    'REDIS_CA_FILE',
    'MONGODB_URI',
  ];
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
    API_KEYS: 'anna',
    CORS_ORIGINS: '*',
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

describe('a host that only this machine reaches is told from others', () => {
  for (const host of [
    '0.0.0.0',
    '::',
    '192.168.1.2',
    'example.com',
    '128.0.0.1',
    '127.0.0.1.example.com',
    '1270.0.1',
    'evil.localhost',
    '',
  ]) {
    test(`"${host}" is not one`, () => assert.equal(isLoopback(host), false));
  }
  for (const host of ['127.0.0.1', '127.0.0.53', 'localhost', '::1']) {
    test(`"${host}" is one`, () => assert.equal(isLoopback(host), true));
  }
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

test('CORS_ORIGINS are exact origins', () => {
  const { CORS_ORIGINS } = readConfig({ CORS_ORIGINS: 'https://app.example.com, http://localhost:5173' });
  assert.deepEqual(CORS_ORIGINS, ['https://app.example.com', 'http://localhost:5173']);
  for (const wrong of [
    '*',
    'null',
    'app.example.com',
    'https://app.example.com/',
    'https://App.example.com',
    'https://*.a.b',
  ]) {
    assert.match(refusal({ CORS_ORIGINS: wrong }), /^ {2}CORS_ORIGINS: /m);
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
