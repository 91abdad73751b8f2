import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorFields, scrub } from './log.ts';

test('no password of a Redis URL is printed, that of the Sentinels neither', () => {
  const query = 'sentinel_username=watch&sentinel_password=canary%21&other=1';
  for (const text of [
    `redis+sentinel://user:canary-1@s1:26379,s2/main?${query}`,
    'rediss+sentinel://s1/main?sentinel_password=canary',
    'at "redis+sentinel://s1/main?sentinel_password=canary" it failed',
    'redis://:canary@host:6379/0',
  ]) {
    assert.doesNotMatch(scrub(text), /canary/);
    assert.doesNotMatch(String(errorFields(new Error(text)).message), /canary/);
  }
  assert.equal(
    scrub(`redis+sentinel://s1/main?${query}`),
    'redis+sentinel://s1/main?sentinel_username=watch&sentinel_password=[redacted]&other=1',
  );
});
