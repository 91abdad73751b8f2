import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ConfigError, readConfig } from '../config.ts';

function refusal(env: Record<string, string>): string {
  try {
    readConfig(env);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  throw new Error('it was not refused');
}

describe('OLLAMA_HOST is taken in every form that Ollama takes', () => {
  for (const [given, url] of [
    ['localhost', 'http://localhost:11434'],
    [' 10.0.0.5 ', 'http://10.0.0.5:11434'],
    ['gpu:8080', 'http://gpu:8080'],
    ['gpu:80', 'http://gpu'],
    [':9999', 'http://127.0.0.1:9999'],
    ['http://gpu', 'http://gpu'],
    ['http://gpu:11434/', 'http://gpu:11434'],
    ['https://gpu', 'https://gpu'],
    ['https://gpu/ollama/', 'https://gpu/ollama'],
    ['gpu/ollama', 'http://gpu:11434/ollama'],
    ['ollama.com', 'https://ollama.com'],
    ['::1', 'http://[::1]:11434'],
    ['[::1]:8080', 'http://[::1]:8080'],
    // What a server listens on, as the address to call it at.
    ['0.0.0.0', 'http://127.0.0.1:11434'],
    ['http://0.0.0.0:8080', 'http://127.0.0.1:8080'],
    ['::', 'http://[::1]:11434'],
    ['off', 'off'],
  ] as const) {
    test(`${given} is ${url}`, () => assert.equal(readConfig({ OLLAMA_HOST: given }).OLLAMA_HOST, url));
  }
  for (const given of ['a b', 'gpu:99999', 'ftp://gpu', 'http://user:canary@gpu']) {
    test(`${given} is refused`, () => {
      const message = refusal({ OLLAMA_HOST: given });
      assert.match(message, /^ {2}OLLAMA_HOST: .+/m);
      assert.doesNotMatch(message, /canary/);
    });
  }
});

test('PROVIDERS names servers, each with the variable that holds its key', () => {
  const { PROVIDERS } = readConfig({
    PROVIDERS: 'vllm=http://gpu:8000/v1, groq=GROQ_API_KEY@https://api.groq.com/openai/v1,',
    GROQ_API_KEY: ' gsk_1\n',
  });
  assert.deepEqual(PROVIDERS, [
    { name: 'vllm', baseURL: 'http://gpu:8000/v1' },
    { name: 'groq', baseURL: 'https://api.groq.com/openai/v1', keyVariable: 'GROQ_API_KEY', apiKey: 'gsk_1' },
  ]);
});

describe('an entry of PROVIDERS that is wrong is named, and nothing of it that may be a key is quoted', () => {
  for (const [entry, problem] of [
    ['http://gpu:8000/v1?key=canary', /entry 2 is not name=url/],
    ['GPU=http://gpu:8000', /entry 2 is not name=url.*lower case/],
    ['openai=http://gpu', /entry 2 \("openai"\) has a name that is taken/],
    ['ollama=http://gpu', /entry 2 \("ollama"\) has a name that is taken/],
    ['builtin=http://gpu', /entry 2 \("builtin"\) has a name that is taken/],
    ['good=http://gpu', /entry 2 \("good"\) has the name of an entry before it/],
    ['gpu=', /entry 2 \("gpu"\) must be a URL/],
    ['gpu=gpu:8000/canary', /entry 2 \("gpu"\) must be a URL/],
    ['gpu=http://user:canary@gpu', /entry 2 \("gpu"\) must hold no user name or password/],
    ['gpu=@http://gpu', /entry 2 \("gpu"\) must give the name of the variable/],
    ['gpu=sk-canary-1@http://gpu', /entry 2 \("gpu"\) must give the name of the variable.*not the key/],
    ['gpu=GPU_KEY@http://gpu', /"gpu" needs GPU_KEY, which is not set/],
    ['gpu=BAD_KEY@http://gpu', /"gpu" needs BAD_KEY, which has characters that cannot be sent/],
  ] as const) {
    test(entry, () => {
      const message = refusal({ PROVIDERS: `good=http://good/v1,${entry}`, BAD_KEY: 'canary\ncanary' });
      assert.match(message, problem);
      assert.match(message, /^ {2}PROVIDERS: /m);
      assert.doesNotMatch(message, /canary/);
    });
  }
});

test('every wrong entry is told at once', () => {
  const message = refusal({ PROVIDERS: 'a,openai=http://x,ok=http://x,ok=http://y' });
  assert.deepEqual(message.match(/entry \d/g), ['entry 1', 'entry 2', 'entry 4']);
});
