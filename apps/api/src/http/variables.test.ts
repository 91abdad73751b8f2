import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError, readConfig } from '@beanline/shared/config.ts';
import { variables } from '../../../../scripts/docs/variables.ts';
import { HttpVariables } from './variables.ts';

const read = (env: Record<string, string>) => readConfig(env, HttpVariables);

/** The message of a refused environment of the API. */
function refusal(env: Record<string, string>): string {
  try {
    read(env);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  throw new Error('it was not refused');
}

test('an empty environment is valid, and every variable but the optional ones has a default', () => {
  const config = new Map<string, unknown>(Object.entries(read({})));
  const optional = [
    'DEFAULT_MODEL',
    'OPENAI_API_KEY',
    'OPENAI_BASE_URL',
    'OLLAMA_HOST',
    'OLLAMA_API_KEY',
    'HTTPS_PROXY',
    'HTTP_PROXY',
    'NO_PROXY',
    'https_proxy',
    'http_proxy',
    'no_proxy',
    'REDIS_CA_FILE',
    'MONGODB_URI',
    'JOBS_DIR',
  ];
  for (const { name } of variables) assert.equal(config.get(name) === undefined, optional.includes(name), name);
  assert.deepEqual(read(Object.fromEntries(variables.map(({ name }) => [name, '']))), read({}));
});

test('a default that is given as a value means the same', () => {
  const given = variables.filter(({ fallback }) => fallback !== '');
  assert.deepEqual(read(Object.fromEntries(given.map(({ name, fallback }) => [name, fallback]))), read({}));
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

test('CORS_ORIGINS are exact origins', () => {
  const { CORS_ORIGINS } = read({ CORS_ORIGINS: 'https://app.example.com, http://localhost:5173' });
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
