import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  canonicalJson,
  MAX_PARTITIONS,
  makeTaskId,
  partitionOf,
  partitionOfKey,
  sha256,
  timeOf,
  withTime,
} from './task-id.ts';

test('ids sort by their time, whatever their partition', () => {
  const times = [0, 1, 31, 32, 1_023, 1_024, 1.7e12, 1.7e12 + 1, Date.UTC(2100, 0, 1)];
  const ids = times.map((at, index) => makeTaskId(at, (MAX_PARTITIONS - 1 - index * 7) % MAX_PARTITIONS));
  assert.deepEqual([...ids].sort(), ids);
});

test('an id says its partition, up to the most there can be', () => {
  for (let partition = 0; partition < MAX_PARTITIONS; partition++)
    assert.equal(partitionOf(makeTaskId(Date.now(), partition), MAX_PARTITIONS), partition);
});

test('an id of a partition this data does not have is no task id', () => {
  assert.equal(partitionOf(makeTaskId(Date.now(), 4), 4), null);
  assert.equal(partitionOf(makeTaskId(Date.now(), 3), 4), 3);
});

test('what is not a task id names no partition', () => {
  const id = makeTaskId(Date.now(), 0);
  const bad = [
    '',
    'task_',
    id.slice(0, -1),
    `${id}0`,
    `${id}\n`,
    ` ${id}`,
    id.toUpperCase(),
    id.replace('task_', 'sess_'),
    `${id.slice(0, -1)}u`,
    `${id.slice(0, -1)}:`,
    `${id.slice(0, -1)}é`,
    `${id.slice(0, -2)}*{`,
    'task_..',
    '__proto__',
  ];
  for (const text of bad) assert.equal(partitionOf(text, 1), null, JSON.stringify(text));
});

test('two ids of the same millisecond differ', () => {
  const ids = new Set(Array.from({ length: 10_000 }, () => makeTaskId(1.7e12, 0)));
  assert.equal(ids.size, 10_000);
});

test('a key always lands in the same partition, and keys spread over all of them', () => {
  const seen = new Set<number>();
  for (let i = 0; i < 2_000; i++) {
    const hash = sha256(`anna\n${i}`);
    const partition = partitionOfKey(hash, 64);
    assert.equal(partitionOfKey(hash, 64), partition);
    seen.add(partition);
  }
  const all = Array.from({ length: 64 }, (_, partition) => partition);
  assert.deepEqual(
    [...seen].sort((a, b) => a - b),
    all,
  );
});

test('canonical JSON does not depend on the order of fields, and drops what is undefined', () => {
  const one = canonicalJson({ b: [1, { d: null, c: 'x' }], a: true, gone: undefined, 여: 1, A: -0 });
  const two = canonicalJson({ A: 0, 여: 1, a: true, b: [1, { c: 'x', d: null }] });
  assert.equal(one, two);
  assert.equal(one, '{"A":0,"a":true,"b":[1,{"c":"x","d":null}],"여":1}');
});

test('canonical JSON keeps apart what differs', () => {
  const values = [
    [],
    {},
    '',
    0,
    null,
    false,
    '0',
    [1, 2],
    [2, 1],
    [[1], 2],
    { a: [] },
    { a: {} },
    { a: null },
    { 'a"': 1 },
  ];
  assert.equal(new Set(values.map(canonicalJson)).size, values.length);
  for (const value of values) assert.deepEqual(JSON.parse(canonicalJson(value)), value);
});

test('an id with another time sorts there, says that time, and differs from any other id of it', () => {
  const ids = Array.from({ length: 1_000 }, (_, n) => makeTaskId(1.7e12 + n, n % 64));
  const moved = ids.map((id) => withTime(id, 1.8e12));
  assert.equal(new Set(moved).size, ids.length);
  for (const [at, id] of moved.entries()) {
    assert.equal(timeOf(id), 1.8e12);
    assert.equal(partitionOf(id, 64), at % 64);
    assert.equal(withTime(id, 1.7e12 + at), ids[at]);
  }
});

test('an id with a time that none can hold sorts before all others, or behind them', () => {
  const id = makeTaskId(1.8e12, 0);
  for (const early of [-1, Date.parse('0000-01-01T00:00:00Z')]) assert.ok(withTime(id, early) < makeTaskId(1, 0));
  for (const late of ['3085-01-01T00:00:00Z', '9999-12-31T23:59:59Z']) {
    assert.ok(withTime(id, Date.parse(late)) > makeTaskId(Date.parse('3084-12-01T00:00:00Z'), 0));
  }
});
