/** The value of an arithmetic expression. A parser reads it and it is worked out here: nothing of it is ever run as code. */
import jsep from 'jsep';
import { TaskError } from '../../errors.ts';

/** Of an expression; it bounds how deep one nests too. */
export const MAX_LENGTH = 500;
/** So many digits of a number are right. */
const DIGITS = 15;

const operators = new Map<string, (left: number, right: number) => number>([
  ['+', (left, right) => left + right],
  ['-', (left, right) => left - right],
  ['*', (left, right) => left * right],
  ['/', (left, right) => left / right],
  ['%', (left, right) => left % right],
  ['^', (left, right) => left ** right],
]);

const constants = new Map([
  ['pi', Math.PI],
  ['e', Math.E],
]);

const functions = new Map<string, (...given: number[]) => number>([
  ...(['abs', 'ceil', 'floor', 'round', 'trunc', 'sign', 'sqrt', 'cbrt', 'exp', 'log10', 'log2'] as const).map(
    (name) => [name, (one = Number.NaN) => Math[name](one)] as const,
  ),
  ...(['sin', 'cos', 'tan', 'asin', 'acos', 'atan'] as const).map(
    (name) => [name, (one = Number.NaN) => Math[name](one)] as const,
  ),
  ['ln', (one = Number.NaN) => Math.log(one)],
  ['log', (one = Number.NaN, base = Math.E) => Math.log(one) / Math.log(base)],
  ['min', Math.min],
  ['max', Math.max],
  ['hypot', Math.hypot],
]);

/** What may stand in an expression, for whoever writes one. */
export const KNOWN = [...operators.keys(), ...constants.keys(), ...functions.keys()].join(' ');

const wrong = (message: string) => new TaskError('invalid_request', message);

jsep.removeAllBinaryOps();
jsep.removeAllUnaryOps();
jsep.removeAllLiterals();
for (const [operator, precedence] of Object.entries({ '+': 1, '-': 1, '*': 2, '/': 2, '%': 2 }))
  jsep.addBinaryOp(operator, precedence);
for (const sign of ['+', '-']) jsep.addUnaryOp(sign);
// By itself jsep looks for nothing behind a number.
jsep.hooks.add('gobble-token', function number(env) {
  if (/[\d.]/.test(this.char)) env.node = this.gobbleNumericLiteral() as jsep.Expression;
});
// A power binds before the sign in front of it, and from the right: -2^2 is -4, 2^3^2 is 2^9.
jsep.hooks.add('after-token', function power(env) {
  const { node } = env;
  this.gobbleSpaces();
  const length = this.expr.startsWith('**', this.index) ? 2 : Number(this.char === '^');
  if (!node || length === 0) return;
  this.index += length;
  const right = this.gobbleToken() ?? this.throwError('Expected a number after ^');
  env.node = { type: 'BinaryExpression', operator: '^', left: node, right };
});

type Node = jsep.CoreExpression;

function call({ callee, arguments: given }: jsep.CallExpression): number {
  const name = callee.type === 'Identifier' ? (callee as jsep.Identifier).name.toLowerCase() : '';
  const run = functions.get(name);
  if (!run) throw wrong(`There is no such function. There are: ${[...functions.keys()].join(', ')}.`);
  return run(...given.map((one) => worth(one as Node)));
}

function worth(node: Node): number {
  switch (node.type) {
    case 'Literal':
      if (typeof node.value === 'number') return node.value;
      break;
    case 'Identifier': {
      const value = constants.get(node.name.toLowerCase());
      if (value !== undefined) return value;
      throw wrong(`There is no such name. There are: ${[...constants.keys()].join(', ')}.`);
    }
    case 'UnaryExpression':
      return worth(node.argument as Node) * (node.operator === '-' ? -1 : 1);
    case 'BinaryExpression': {
      const work = operators.get(node.operator);
      if (work) return work(worth(node.left as Node), worth(node.right as Node));
      break;
    }
    case 'CallExpression':
      return call(node);
  }
  throw wrong('It may hold numbers, + - * / % ^, parentheses and functions only.');
}

/** Throws `invalid_request` when it is no expression, or has no finite value. */
export function evaluate(expression: string): number {
  if (expression.length > MAX_LENGTH) throw wrong(`It must have at most ${MAX_LENGTH} characters.`);
  let node: Node;
  try {
    // As people write them too.
    node = jsep(expression.replaceAll('×', '*').replaceAll('÷', '/').replaceAll('−', '-')) as Node;
  } catch (error) {
    throw wrong(`It is no expression: ${(error as Error).message}.`);
  }
  const value = worth(node);
  if (!Number.isFinite(value)) throw wrong('It has no finite value.');
  return Number(value.toPrecision(DIGITS));
}
