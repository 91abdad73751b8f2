/** Which errors of the driver are `unavailable`: those that no stand-in makes, step-downs and overload among them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  MongoBulkWriteError,
  MongoInvalidArgumentError,
  MongoNetworkError,
  MongoNetworkTimeoutError,
  MongoServerError,
  MongoWriteConcernError,
} from 'mongodb';
import { duplicatesOf, isAway } from './errors.ts';

const server = (code: number, errorLabels: string[] = []) => new MongoServerError({ code, errmsg: 'x', errorLabels });
const writeConcern = (code: number) =>
  new MongoWriteConcernError({ ok: 1, writeConcernError: { code, errmsg: 'waiting for replication timed out' } });

test('a server without primary, that stops, is too slow, too full or lets nobody in is away', () => {
  for (const code of [10107, 13435, 11602, 189, 91, 50, 64, 262, 18, 13, 14031])
    assert.ok(isAway(server(code)), `${code}`);
  for (const label of ['RetryableWriteError', 'SystemOverloadedError']) assert.ok(isAway(server(1, [label])), label);
  assert.ok(isAway(writeConcern(64)));
  assert.ok(isAway(new MongoNetworkError('closed')));
  assert.ok(isAway(new MongoNetworkTimeoutError('slow')));
});

test('what went wrong on the network is seen behind the name of a bulk write', () => {
  const result = { getWriteConcernError: () => undefined } as never;
  const bulk = new MongoBulkWriteError(new MongoNetworkError('closed') as never, result);
  assert.ok(isAway(bulk));
  assert.equal(duplicatesOf(bulk), undefined);
});

test('what the same call would meet again is no outage', () => {
  // BadValue, DocumentValidationFailure, DuplicateKey, BSONObjectTooLarge.
  for (const code of [2, 121, 11000, 10334]) assert.ok(!isAway(server(code)), `${code}`);
  assert.ok(!isAway(new MongoInvalidArgumentError('x')));
  assert.ok(!isAway(new TypeError('x')));
  assert.ok(!isAway(Object.assign(new Error('x'), { code: 91 })));
});

test('an insert failed for duplicates alone only if nothing else failed, the write concern included', () => {
  const bulk = (codes: number[], concern?: object) =>
    new MongoBulkWriteError(
      { message: 'x', code: 11000, writeErrors: codes.map((code, index) => ({ index, code })) } as never,
      { getWriteConcernError: () => concern } as never,
    );
  assert.deepEqual(duplicatesOf(bulk([11000, 11000])), [0, 1]);
  assert.equal(duplicatesOf(bulk([11000, 121])), undefined);
  assert.equal(duplicatesOf(bulk([11000], { code: 64 })), undefined);
  assert.equal(duplicatesOf(bulk([])), undefined);
});
