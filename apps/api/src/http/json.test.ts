import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TaskError } from '@beanline/shared/errors.ts';
import { parseJson } from './json.ts';

const LIMITS = { MAX_BODY_BYTES: 10_000_000, MAX_BODY_DEPTH: 64, MAX_BODY_VALUES: 100_000 };
const parse = (text: string) => parseJson(Buffer.from(text), LIMITS);

/** The fields of the refusal. */
function refusal(text: string) {
  try {
    parse(text);
  } catch (error) {
    assert.ok(error instanceof TaskError && error.code === 'invalid_request');
    return error;
  }
  return assert.fail(`it was taken: ${text.slice(0, 100)}`);
}
const paths = (text: string) => refusal(text).fields?.map(({ path }) => path);

describe('a number comes back as it was:', () => {
  for (const number of [
    '0',
    '7',
    '-1',
    '0.1',
    '-0.5',
    '-0.25e2',
    '1e5',
    '1E+5',
    '1.50e-3',
    '100000000000000000000000',
    '9007199254740991',
    '-9007199254740991',
    '9007199254740992',
    '3.141592653589793',
    '2.2250738585072014e-308',
    '0.10000000000000001',
    '1.7976931348623157e308',
    '5e-324',
    '0e5',
    '0.0',
    '123456.789012345',
  ]) {
    test(number, () => {
      for (const text of [number, ` ${number}\n`, `[${number}]`, `{"a":{"b":[true,${number},false]}}`]) {
        assert.deepEqual(parse(text), JSON.parse(text));
      }
    });
  }
});

describe('a number that JavaScript would change is refused, by its path:', () => {
  for (const number of [
    '9007199254740993',
    '-9007199254740993',
    '12345678901234567890',
    '1152921504606846976',
    '9223372036854775808',
    '-9223372036854775808',
    '100000000000000000000001',
    '0.1234567890123456789',
    '1.00000000000000000001',
    '-0',
    '-0.0',
    '-0e7',
    '1e400',
    '-1e400',
    '1e-400',
    '4e-324',
    '1.7976931348623159e308',
    `0.${'3'.repeat(200)}`,
    `1${'0'.repeat(400)}`,
  ]) {
    test(number.slice(0, 40), () => {
      assert.deepEqual(paths(number), ['']);
      assert.deepEqual(paths(`[${number}]`), ['[0]']);
      assert.deepEqual(paths(`{"a":1,"b":{"c d":[[],"x,{",{"e":${number}}]}}`), ['b.c d[2].e']);
      assert.deepEqual(paths(`{"a":${number},"b":[0,${number} ]}`), ['a', 'b[1]']);
      // In a text it is a text.
      assert.deepEqual(parse(`{"a":"${number}","b\\"${number}":[""]}`), { a: number, [`b"${number}`]: [''] });
    });
  }
});

test('what is no JSON is told so, whatever its numbers are', () => {
  for (const text of [
    '{"a":1e}',
    '[1e999',
    '{"\\x":1e999}',
    '[-]',
    '1e5e5',
    '[--0]',
    '"',
    '"\\',
    '{"a":"\\"}',
    '[01e999]',
  ]) {
    assert.deepEqual(refusal(text).fields, [{ path: '', message: 'the body is not valid JSON' }]);
  }
});

test('a text ends at its quote, however many backslashes are before it', () => {
  for (let count = 0; count < 8; count++) {
    const text = `{"${'\\\\'.repeat(count)}":["${'\\\\'.repeat(count)}\\"]9007199254740993","x"]}`;
    assert.deepEqual(parse(text), JSON.parse(text));
  }
});

test('the first hundred numbers are named, and the others counted', () => {
  const { fields = [], message } = refusal(`[${Array(1_000).fill('1e999').join(',')}]`);
  assert.deepEqual([fields.length, fields[99]?.path], [100, '[99]']);
  assert.match(message, /; and 900 more$/);
});

test('an object has at most 10,000 fields, at any depth, and a list may be longer', () => {
  const fields = (count: number) => `{${Array.from({ length: count }, (_, i) => `"${i}":0`).join(',')}}`;
  assert.equal(Object.keys(parse(fields(10_000)) as object).length, 10_000);
  for (const text of [fields(10_001), `[[{"a":${fields(10_001)}}]]`]) {
    assert.match(refusal(text).message, /an object has more than 10000 fields/);
  }
  assert.equal((parse(`[${'0,'.repeat(50_000)}0]`) as unknown[]).length, 50_001);
});
