import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TaskError } from '../../errors.ts';
import { evaluate, MAX_LENGTH } from './arithmetic.ts';

const worth: [expression: string, value: number][] = [
  ['1 + 2 * 3', 7],
  ['(1 + 2) * 3', 9],
  ['-2^2', -4],
  ['(-2)^2', 4],
  ['2^-1', 0.5],
  ['2^3^2', 512],
  ['2**3', 8],
  ['2 * -3', -6],
  ['--3', 3],
  ['10 - 4 - 3', 3],
  ['100 / 10 / 2', 5],
  ['17 % 5', 2],
  ['0.1 + 0.2', 0.3],
  ['1e3 + .5', 1000.5],
  ['6 × 7 ÷ 2 − 1', 20],
  ['sqrt(16) + abs(-3)', 7],
  ['max(1, 5, 3) - min(4, 2)', 3],
  ['round(2.5)', 3],
  ['log(8, 2)', 3],
  ['ln(e)', 1],
  ['sin(pi / 2)', 1],
  ['PI', Math.PI],
];

for (const [expression, value] of worth)
  test(`${expression} = ${value}`, () => assert.equal(evaluate(expression), Number(value.toPrecision(15))));

const hostile = [
  ...['', ' ', '1 +', '1 2', '(1', '1/0', '0/0', 'sqrt(-1)', '9^9^9', 'max()', 'x', 'process', 'process.exit(1)'],
  ...[
    'this',
    '[1][0]',
    '"a" + 1',
    'a = 1',
    '1; 2',
    '1, 2',
    'constructor',
    'abs.constructor("return 1")()',
    'toString()',
  ],
  ...[
    '__proto__',
    'hasOwnProperty("a")',
    '1 ? 2 : 3',
    '!1',
    '~1',
    '1 << 31',
    '1 == 1',
    'true',
    'null',
    '/a/',
    '`a`',
    'eval(1)',
  ],
  ...['('.repeat(MAX_LENGTH), '-'.repeat(MAX_LENGTH), '2^'.repeat(249), 'abs('.repeat(124), '9'.repeat(MAX_LENGTH)],
  '1'.repeat(MAX_LENGTH + 1),
];

for (const expression of hostile)
  test(`${JSON.stringify(expression.slice(0, 40))} of ${expression.length} characters is refused in words`, () =>
    assert.throws(
      () => evaluate(expression),
      (error) => error instanceof TaskError && error.code === 'invalid_request',
    ));

test('what nests as deep as it is long is worked out all the same', () => {
  const depth = (MAX_LENGTH - 2) / 2;
  assert.equal(evaluate(`${'('.repeat(depth)}1${')'.repeat(depth)}`), 1);
  assert.equal(evaluate(`${'-'.repeat(MAX_LENGTH - 2)}1`), 1);
});
