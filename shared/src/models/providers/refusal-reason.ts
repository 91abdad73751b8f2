/** Why a server refuses a call: what it says may repeat the prompt or the key, and is read only to tell that. */
import { asObject, asText, parseJson } from './json.ts';

/**
 * Why a server refuses a call. `parameter`: its model does not take one at all; `value`: not this value of it; `wanted`: it wants one that it was not
 * sent; `request`: something of what it was sent, and it does not say what in a way we know; `other`: not even that is known.
 */
export type RefusalReason =
  | 'key'
  | 'quota'
  | 'model'
  | 'context'
  | 'filter'
  | 'image'
  | 'parameter'
  | 'value'
  | 'wanted'
  | 'redirect'
  | 'request'
  | 'other';

/** `always`: of a parameter that the model takes in no call. */
export type Refusal = { reason: RefusalReason; parameter?: string | undefined; always?: boolean };

/** What an error says of itself. */
type Told = {
  /** The values of `code`, `type` and `status`. */
  codes: string[];
  /** Everything in words, in lower case. */
  words: string;
  /** The fields of the request that it names as such. */
  fields: string[];
};

const WORDS = new Set(['message', 'msg', 'reason', 'detail', 'error', 'error_msg', 'status_msg', 'title']);
const CODES = new Set(['code', 'type', 'status', 'error_code', 'innererror']);
const INSIDE = new Set([
  'error',
  'errors',
  'message',
  'detail',
  'details',
  'metadata',
  'base_resp',
  'innererror',
  'raw',
]);
const MAX_DEPTH = 6;

/** Reads an error in any dress. What it quotes of the request is passed over. */
function read(value: unknown, told: Told, depth = 0): void {
  if (depth > MAX_DEPTH) return;
  if (Array.isArray(value)) for (const one of value) read(one, told, depth + 1);
  for (const [name, inner] of Object.entries(asObject(value) ?? {})) {
    const text = typeof inner === 'number' ? String(inner) : asText(inner);
    if (text !== undefined && CODES.has(name)) told.codes.push(text.toLowerCase());
    if (text !== undefined && (WORDS.has(name) || CODES.has(name))) told.words += `${text.toLowerCase()}\n`;
    if (name === 'param' && text !== undefined) told.fields.push(text);
    if (name === 'loc' && Array.isArray(inner)) told.fields.push(...inner.map(String), inner.join('.'));
    // Some pass on the error of another server as a text.
    if (INSIDE.has(name)) read(text === undefined ? inner : parseJson(text), told, depth + 1);
  }
}

/** Reads the body of an error. */
export function toldBy(value: unknown): Told {
  const told = { codes: [], words: '', fields: [] };
  read(typeof value === 'string' ? { message: value } : value, told);
  return told;
}

export const QUOTA =
  /^(insufficient_quota|insufficient_balance|billing_|quota_exceeded_permanently)|insufficient_credits/;
const NO_CREDIT = /insufficient (balance|credit|funds)|out of credits|credit balance is too low|arrears/;
const FILTER =
  /content[_ -]?(filter|policy|management)|responsible_?ai|data_?inspection|moderation|safety|sensitive[_ ](words|content|information)/;
const KEY = /api[_ -]?key[_ -]?(is )?(not valid|invalid)|(invalid|incorrect)[_ -]?api[_ -]?key/;
const CONTEXT =
  /context[_ ]?(length|size|window)|maximum context|prompt is too long|input is too long|too many (input )?tokens|(input|prompt) (token count|length|tokens)|exceed_context|string_above_max_length/;
const IMAGE = /image|vision|multi-?modal/;
const UNSUPPORTED =
  /unsupported|not support|unknown|unrecogni[sz]ed|extra|unexpected|not permitted|not allowed|not accept|deprecated|forbidden|instead|only the default|no endpoints|requires? --|unavailable/;
const MODEL = /model[_ ]?not[_ ]?found|model.{0,80}(does not exist|not found|unknown|not available)|unknown model/;

/** A model does not take a parameter at all, rather than its value. */
const UNABLE = /(not|n['’]?t) support|unsupported|unavailable|not available|no endpoints|requires? --/;
const VALUE = /unsupported value|supported values|one of/;
/** What it does not take may be within the parameter. */
const WITHIN = /schema|\$ref|propert|keyword|format\b|enum|strict/;

/** A server that was started without an option for it: llama.cpp says so by a status of 500. */
export const lacksOption = ({ words }: Told) => /requires? --\w/.test(words);

/** Parameters that are refused as such, whatever is said of their value: the same error meets every other. */
const SIMPLE: readonly string[] = [
  ...['temperature', 'max_tokens', 'max_completion_tokens', 'top_p', 'frequency_penalty', 'presence_penalty'],
  ...['seed', 'stop', 'parallel_tool_calls', 'stream_options', 'dimensions', 'encoding_format'],
];

/** What parameters are called where they are not named as such, by those that a model may lack. */
const ALIASES: readonly [string, RegExp][] = [
  ['tools', /\btools?\b|\bfunction[ _-]?call/],
  ['think', /\bthinking\b/],
  ['reasoning_effort', /\breasoning effort\b/],
  ['response_format', /\bresponse format\b|\bjson_(schema|object)\b|\bjson mode\b|\bstructured output/],
];

/** What a server wants of a conversation that has calls of functions, by what it says when it is not there. */
const WANTED: readonly [string, RegExp][] = [
  ['reasoning_content', /missing\W+reasoning_content|reasoning_content\b.{0,60}passed back/],
  ['thought_signature', /missing a thought_signature/],
];

/**
 * What a refusal says of a parameter that was sent. A `tool_choice` that a model does not take is one of several. What of a function a server does not take is for its client to mend: no call
 * goes without functions for that.
 */
function refusedParameter(name: string, { words, fields }: Told): Refusal {
  const inside = new RegExp(`\\b${RegExp.escape(name)}(\\[|\\.\\w)`);
  const isWithin = [words, ...fields].some((text) => inside.test(text));
  const isUnable = UNABLE.test(words) && !VALUE.test(words) && !isWithin && name !== 'tool_choice';
  const always = SIMPLE.includes(name) || (isUnable && (name !== 'tools' || !WITHIN.test(words)));
  const isRefused = UNSUPPORTED.test(words) && (always || name !== 'tools');
  return isRefused ? { reason: 'parameter', parameter: name, always } : { reason: 'value', parameter: name };
}

/** Why an error of a status is a refusal; `sent` are the parameters of the call. */
export function reasonOf(status: number, told: Told, sent: readonly string[]): Refusal {
  const { codes, words, fields } = told;
  const parameter = (named: (name: string) => boolean): Refusal | undefined => {
    const name = sent.find(named);
    return name === undefined ? undefined : refusedParameter(name, told);
  };
  const is = (reason: RefusalReason): Refusal => ({ reason });
  const aliased = () => {
    const [name] = ALIASES.find(([name, known]) => sent.includes(name) && known.test(words)) ?? [];
    const refused = name === undefined ? undefined : refusedParameter(name, told);
    return refused?.always ? refused : undefined;
  };
  const wanted = WANTED.find(([, said]) => said.test(words));
  if (status < 400) return is('redirect');
  if (status === 402 || codes.some((code) => QUOTA.test(code))) return is('quota');
  if (status === 401) return is('key');
  if (FILTER.test(words)) return is('filter');
  if (NO_CREDIT.test(words)) return is('quota');
  if (status === 403) return is('key');
  if (status === 413) return is('context');
  if (status === 404) return aliased() ?? is(IMAGE.test(words) ? 'image' : 'model');
  if (KEY.test(words)) return is('key');
  if (CONTEXT.test(words)) return is('context');
  if (wanted) return { reason: 'wanted', parameter: wanted[0] };
  return (
    parameter((name) => fields.includes(name)) ??
    (IMAGE.test(words) || fields.some((field) => IMAGE.test(field)) ? is('image') : undefined) ??
    (MODEL.test(words) ? is('model') : undefined) ??
    parameter((name) => new RegExp(`\\b${RegExp.escape(name)}\\b`).test(words)) ??
    aliased() ??
    is(status === 400 || status === 422 ? 'request' : 'other')
  );
}
