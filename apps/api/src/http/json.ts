/**
 * JSON as it comes. One pass over the bytes goes before the parser. It finds what would be too much: deeper bodies, or those
 * of more values, are attacks, and parsing and checking them would hold up every other request. And it finds each number
 * that JavaScript would change: such a body is refused, so that nobody gets back another number than was given.
 */
import { collectProblems, invalid, type Problems } from './bad-fields.ts';
import type { HttpVariables } from './variables.ts';

export type BodyLimits = Pick<HttpVariables, 'MAX_BODY_BYTES' | 'MAX_BODY_DEPTH' | 'MAX_BODY_VALUES'>;

/** Fields of one object: what checks them may cost more than their number. */
const MAX_FIELDS = 10_000;
/** A number of so few bytes, without an exponent, is held as it is. */
const SAFE_BYTES = 15;
/** Looked at after an escaped quote. */
const NEAR_BYTES = 256;
/** More digits than any number has. */
const MAX_DIGITS = 100;

const BYTE = {
  space: 32,
  quote: 34,
  plus: 43,
  comma: 44,
  minus: 45,
  dot: 46,
  zero: 48,
  nine: 57,
  colon: 58,
  openArray: 91,
  backslash: 92,
  closeArray: 93,
  openObject: 123,
  closeObject: 125,
};

const isDigit = (byte: number) => byte >= BYTE.zero && byte <= BYTE.nine;
/** `e` in either case. */
const isExponent = (byte: number) => (byte | 32) === 101;
const isInNumber = (byte: number) =>
  isDigit(byte) || byte === BYTE.dot || byte === BYTE.minus || byte === BYTE.plus || isExponent(byte);

/**
 * Where the text that begins at a quote ends, at its other quote. Quotes are searched for; where one is escaped there may be
 * many, and the next bytes are looked at one by one: a search for each would take five times as long.
 */
function endOfText(json: Buffer, start: number): number {
  let from = start + 1;
  for (;;) {
    const at = json.indexOf(BYTE.quote, from);
    if (at === -1) return json.length;
    let first = at;
    while (first > from && json[first - 1] === BYTE.backslash) first--;
    if ((at - first) % 2 === 0) return at;
    const end = Math.min(json.length, at + 1 + NEAR_BYTES);
    for (from = at + 1; from < end; from++) {
      if (json[from] === BYTE.backslash) from++;
      else if (json[from] === BYTE.quote) return from;
    }
  }
}

/** The digits of a number, without its sign, its point, its exponent, and the zeros at its ends. */
const digitsOf = (text: string) => (text.split(/e/i)[0] ?? '').replaceAll(/[-.]/g, '').replaceAll(/^0+|0+$/g, '');

/**
 * Whether JavaScript makes another number of this text. A whole number is held as it is written again; a fraction as it is
 * written with as many digits, for whoever holds one holds it as JavaScript does.
 */
function isChanged(text: string): boolean {
  const value = Number(text);
  // No number at all, as the parser will say.
  if (Number.isNaN(value)) return false;
  const digits = digitsOf(text);
  if (digits === '') return text.startsWith('-');
  if (!Number.isFinite(value) || value === 0 || digits.length > MAX_DIGITS) return true;
  return digitsOf(/[.e]/i.test(text) ? value.toPrecision(digits.length) : String(value)) !== digits;
}

/** An open array or object: how many commas it had, and where the last name in it stands. */
type Level = { isObject: boolean; commas: number; name: [start: number, end: number] };

/** A name as it is written: what is escaped in it stays so, for it may be no JSON. */
const stepOf = (json: Buffer, { isObject, commas, name: [start, end] }: Level): PropertyKey =>
  isObject ? json.toString('utf8', start + 1, end - 1) : commas;

/** Collects the numbers that would be changed; gives why the body is too much, or null. */
function lookAt(json: Buffer, { MAX_BODY_DEPTH, MAX_BODY_VALUES }: BodyLimits, problems: Problems): string | null {
  const open: Level[] = [];
  let values = 0;
  let text: Level['name'] = [0, 0];
  let number = -1;
  let hasExponent = false;

  function endNumber(end: number): void {
    const isMinusZero = json[number] === BYTE.minus && json[number + 1] === BYTE.zero;
    const isRisky = end - number > SAFE_BYTES || hasExponent || isMinusZero;
    if (isRisky && isChanged(json.toString('latin1', number, end))) {
      const path = open.map((level) => stepOf(json, level));
      problems.add(path, 'must be a number that JavaScript holds exactly; send another one as text');
    }
    number = -1;
    hasExponent = false;
  }

  for (let i = 0; i < json.length; i++) {
    const byte = json[i] ?? 0;
    if (number !== -1) {
      hasExponent ||= isExponent(byte);
      if (isInNumber(byte)) continue;
      endNumber(i);
    }
    if (byte <= BYTE.space) continue;
    const level = open.at(-1);
    if (byte === BYTE.quote) {
      const end = endOfText(json, i);
      text = [i, end + 1];
      i = end;
    } else if (isDigit(byte) || byte === BYTE.minus) number = i;
    else if (byte === BYTE.colon && level) level.name = text;
    else if (byte === BYTE.comma) {
      values++;
      if (level) level.commas++;
      if (level?.isObject && level.commas >= MAX_FIELDS) return `an object has more than ${MAX_FIELDS} fields`;
    } else if (byte === BYTE.openArray || byte === BYTE.openObject) {
      values++;
      open.push({ isObject: byte === BYTE.openObject, commas: 0, name: [0, 0] });
      if (open.length > MAX_BODY_DEPTH) return `the body is nested deeper than ${MAX_BODY_DEPTH} levels`;
    } else if (byte === BYTE.closeArray || byte === BYTE.closeObject) open.pop();
    if (values > MAX_BODY_VALUES) return `the body has more than ${MAX_BODY_VALUES} values`;
  }
  if (number !== -1) endNumber(json.length);
  return null;
}

/** The value of a JSON body. Throws a 400 when it is none, too much, or holds a number that would be changed. */
export function parseJson(json: Buffer, limits: BodyLimits): unknown {
  const problems = collectProblems();
  const excess = lookAt(json, limits, problems);
  if (excess !== null) throw invalid({ path: '', message: excess });
  const value = parsedText(json);
  if (problems.found()) throw problems.refusal();
  return value;
}

function parsedText(json: Buffer): unknown {
  try {
    return JSON.parse(json.toString('utf8'));
  } catch {
    throw invalid({ path: '', message: 'the body is not valid JSON' });
  }
}
