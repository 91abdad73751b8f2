import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isLoopback } from './loopback.ts';

describe('a host that only this machine reaches is told from others', () => {
  for (const host of [
    '0.0.0.0',
    '::',
    '192.168.1.2',
    'example.com',
    '128.0.0.1',
    '127.0.0.1.example.com',
    '1270.0.1',
    '127.999.1.1',
    '127.0.0.256',
    '127.1',
    'evil.localhost',
    '',
  ]) {
    test(`"${host}" is not one`, () => assert.equal(isLoopback(host), false));
  }
  for (const host of ['127.0.0.1', '127.0.0.53', 'localhost', '::1']) {
    test(`"${host}" is one`, () => assert.equal(isLoopback(host), true));
  }
});
