import assert from 'node:assert/strict';
import { test } from 'node:test';
import { retryAfterMs } from './retry-after.ts';

const google = (retryDelay: unknown) => ({
  error: { details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay }, { reason: 'x' }] },
});

const forms: [what: string, headers: Record<string, string>, body: unknown, waitMs: number | undefined][] = [
  ['nothing', {}, undefined, undefined],
  ['seconds', { 'retry-after': '7' }, undefined, 7_000],
  ['parts of seconds', { 'retry-after': '1.5' }, undefined, 1_500],
  ['seconds with their unit', { 'retry-after': '7s' }, undefined, 7_000],
  ['milliseconds with their unit', { 'retry-after': '250ms' }, undefined, 250],
  ['the same twice', { 'retry-after': '7, 7' }, undefined, 7_000],
  ['a date that is past', { 'retry-after': 'Thu, 01 Jan 1970 00:00:00 GMT' }, undefined, 0],
  ['more than an hour', { 'retry-after': '86400' }, undefined, 3_600_000],
  ['milliseconds in their own header', { 'retry-after-ms': '1500' }, undefined, 1_500],
  ['milliseconds before seconds', { 'retry-after-ms': '1500', 'retry-after': '7' }, undefined, 1_500],
  ['garbage for milliseconds, then seconds', { 'retry-after-ms': 'soon', 'retry-after': '7' }, undefined, 7_000],
  ['milliseconds, then garbage', { 'retry-after-ms': '1500', 'retry-after': 'soon' }, undefined, 1_500],
  ['garbage, then a delay in the body', { 'retry-after': 'soon' }, google('3s'), 3_000],
  ['nothing but words', { 'retry-after': 'soon', 'retry-after-ms': '' }, { error: 'later' }, undefined],
  ['a number below zero', { 'retry-after': '-5' }, undefined, undefined],
  ['the delay of Google', {}, google('0.5s'), 500],
  ['the delay of Google in parts', {}, google({ seconds: 4 }), 4_000],
  ['the delay of Google in a list', {}, [google('34.07s')], 34_070],
  ['the delay of Google without a number', {}, google('soon'), undefined],
  ['details that are none', {}, { error: { details: 'x' } }, undefined],
];

for (const [what, headers, body, waitMs] of forms) {
  test(`a server that tells ${what} wants to be left alone for ${waitMs ?? 'no told'} ms`, () => {
    assert.equal(retryAfterMs(new Headers(headers), body), waitMs);
  });
}
