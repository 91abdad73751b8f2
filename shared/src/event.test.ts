import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFrame } from './event.ts';

/** Those of Python's `str.splitlines`. */
const LINE_ENDS = '\n\r\v\f\u001c\u001d\u001e\u0085\u2028\u2029';

test('a frame is one line of data by the count of any reader, and says what was said', () => {
  const content = 'a\u0085b\u2028c\u2029d\r\n\v\f\u001c\u001d\u001ee \\u2028 \\\u2028';
  const entry = { id: '1-2', prev: '1-1', type: 'text', at: 0, data: JSON.stringify({ content }) };
  const text = encodeFrame('task_1', entry).bytes.toString();
  const lines = text.split(new RegExp(`\r\n|[${LINE_ENDS}]`));
  assert.deepEqual(lines.slice(0, 2), ['id: 1-2', 'event: text']);
  assert.equal(lines.length, 5);
  assert.equal(JSON.parse(lines[2]?.slice('data: '.length) ?? '').data.content, content);
});
