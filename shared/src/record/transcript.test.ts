import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogEntry } from '../event.ts';
import { createTranscript } from './transcript.ts';

/** A log of these types, its text of `bytes` each. */
function logOf(types: string[], bytes = 100): LogEntry[] {
  return types.map((type, index) => ({
    id: `1-${index + 1}`,
    prev: index === 0 ? '0-1' : `1-${index}`,
    type,
    at: index,
    data: type === 'text' || type === 'tool_result' ? 'x'.repeat(bytes) : '{}',
  }));
}

/** Added in pages, as it is read. */
function cut(log: LogEntry[], maxBytes: number, page = 7): LogEntry[] {
  const transcript = createTranscript(maxBytes);
  for (let i = 0; i < log.length; i += page) transcript.add(log.slice(i, i + page));
  return transcript.entries();
}

const bytesOf = (log: LogEntry[]) => log.reduce((sum, { data }) => sum + data.length + 64, 0);
const text = (count: number) => Array.from({ length: count }, () => 'text');
const chat = (count: number) => logOf(['queued', 'started', ...text(count), 'text_done', 'done']);

test('a log that fits is kept as it is, to the byte', () => {
  for (const count of [0, 1, 2, 50]) {
    const log = chat(count);
    assert.deepEqual(cut(log, bytesOf(log)), log);
    if (count > 0) assert.equal(cut(log, bytesOf(log) - 1).length, log.length - 1);
  }
});

test('what is too long loses text from its middle: beginning, end and every change of state stay, within the limit', () => {
  const log = logOf(['queued', 'started', ...text(40), 'retrying', 'started', ...text(40), 'text_done', 'done']);
  for (const maxBytes of [1_500, 3_000, 6_000, 10_000]) {
    const kept = cut(log, maxBytes);
    assert.ok(bytesOf(kept) <= maxBytes && bytesOf(kept) > maxBytes - 400, `${bytesOf(kept)} of ${maxBytes}`);
    const states = (entries: LogEntry[]) => entries.filter(({ type }) => type !== 'text');
    assert.deepEqual(states(kept), states(log));
    const indexes = kept.filter(({ type }) => type === 'text').map((entry) => log.indexOf(entry));
    const all = log.flatMap(({ type }, index) => (type === 'text' ? [index] : []));
    const holes = indexes.filter((index, i) => i > 0 && all.indexOf(index) !== all.indexOf(indexes[i - 1] ?? 0) + 1);
    assert.deepEqual([indexes[0], indexes.at(-1), holes.length], [all[0], all.at(-1), 1]);
  }
});

test('the pages in which a log is read change nothing', () => {
  const log = logOf(['queued', 'started', ...text(30), 'tool_result', ...text(30), 'text_done', 'done']);
  for (const maxBytes of [0, 500, 2_000, 5_000]) {
    for (const page of [1, 3, 64]) {
      const kept = cut(log, maxBytes, page);
      assert.deepEqual(
        kept.map(({ id }) => id),
        cut(log, maxBytes, 1_000).map(({ id }) => id),
      );
    }
  }
});

test('without text to cut the largest of the others go, but never how the task began and ended', () => {
  const log = logOf(['queued', 'started', 'tool_result', 'retrying', 'started', 'tool_result', 'done'], 10_000);
  const kept = cut(log, 11_000);
  assert.deepEqual(
    kept.map(({ type }) => type),
    ['queued', 'started', 'retrying', 'started', 'tool_result', 'done'],
  );
  assert.deepEqual(
    cut(log, 0).map(({ type }) => type),
    ['queued', 'started', 'started', 'done'],
  );
});

test('a hole shows in the chain: the entry after it names one that is not there', () => {
  const kept = cut(chat(50), 2_000);
  const broken = kept.filter(({ prev }, index) => index > 0 && prev !== kept[index - 1]?.id);
  assert.equal(broken.length, 1);
});
