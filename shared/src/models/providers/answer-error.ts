/**
 * The errors of model servers, said in our words: what a server says may repeat the prompt or the key, and is read only to
 * tell why it refused.
 */
import { TaskError } from '../../errors.ts';
import type { Answer } from './http-fetch.ts';
import { asObject, asText, parseJson, readText } from './json.ts';
import { retryAfterMs } from './retry-after.ts';

/**
 * Why a server refuses a call. `parameter`: its model does not take one at all; `value`: not this value of it; `request`:
 * something of what it was sent, and it does not say what in a way we know; `other`: not even that is known.
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
  | 'redirect'
  | 'request'
  | 'other';

/** A refusal whose reason is known. `parameter` is the one that it is about, of those the server was sent. */
export class ProviderRefusal extends TaskError {
  readonly reason: RefusalReason;
  readonly parameter: string | undefined;

  constructor(message: string, { reason, parameter }: { reason: RefusalReason; parameter?: string | undefined }) {
    super('provider_refused', message);
    this.reason = reason;
    this.parameter = parameter;
  }
}

const MAX_ERROR_CHARACTERS = 64 * 1024;
/** The body of an error may be endless. */
const ERROR_WAIT_MS = 1_000;

/** Statuses below 500 that say "later" rather than "no". */
const RETRYABLE = new Set([408, 409, 425, 429]);
/** What `code` or `type` say when a 200 carries an error that another attempt would meet again. */
const REFUSAL =
  /^(invalid_request|authentication|permission|not_found)_error$|^(invalid_api_key|model_not_found|context_length_exceeded|insufficient_quota)$|^content_(filter|policy_violation)$/;

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
    if (name === 'loc' && Array.isArray(inner)) told.fields.push(...inner.map(String));
    // Some pass on the error of another server as a text.
    if (INSIDE.has(name)) read(text === undefined ? inner : parseJson(text), told, depth + 1);
  }
}

function toldBy(value: unknown): Told {
  const told = { codes: [], words: '', fields: [] };
  read(typeof value === 'string' ? { message: value } : value, told);
  return told;
}

const QUOTA = /^(insufficient_quota|insufficient_balance|billing_|quota_exceeded_permanently)|insufficient_credits/;
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

/** What parameters are called where they are not named as such. */
const ALIASES: readonly [string, RegExp][] = [
  ['tools', /\btools?\b|\bfunction[ _-]?call/],
  ['think', /\bthinking\b/],
  ['reasoning_effort', /\breasoning effort\b/],
  ['response_format', /\bresponse format\b|\bjson_(schema|object)\b|\bjson mode\b|\bstructured output/],
];

/** Why an error of a status is a refusal; `sent` are the parameters of the call. */
function reasonOf(status: number, told: Told, sent: readonly string[]): Refused {
  const { codes, words, fields } = told;
  const parameter = (named: (name: string) => boolean): Refused | undefined => {
    const name = sent.find(named);
    if (name === undefined) return undefined;
    return { reason: UNSUPPORTED.test(words) ? 'parameter' : 'value', parameter: name };
  };
  const is = (reason: RefusalReason): Refused => ({ reason });
  const aliased = () => {
    const [name] = ALIASES.find(([name, known]) => sent.includes(name) && known.test(words)) ?? [];
    return name !== undefined && UNSUPPORTED.test(words) ? parameter((one) => one === name) : undefined;
  };
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
  return (
    parameter((name) => fields.includes(name)) ??
    (IMAGE.test(words) || fields.some((field) => IMAGE.test(field)) ? is('image') : undefined) ??
    (MODEL.test(words) ? is('model') : undefined) ??
    parameter((name) => new RegExp(`\\b${RegExp.escape(name)}\\b`).test(words)) ??
    aliased() ??
    is(status === 400 || status === 422 ? 'request' : 'other')
  );
}

type Refused = { reason: RefusalReason; parameter?: string };

/** A refusal in our words; `http` is its status. */
function refusal(name: string, refused: Refused, http: string): ProviderRefusal {
  const says: Record<RefusalReason, string> = {
    key: `refused the API key ${http}.`,
    quota: `has no credit left for this API key ${http}.`,
    model: `does not know this model or address ${http}.`,
    context: `refused the request: it is longer than the model takes ${http}.`,
    filter: `refused the request: its content filter objects to it ${http}.`,
    image: `refused the request: this model does not take its images ${http}.`,
    parameter: `refused the parameter ${refused.parameter} ${http}.`,
    value: `refused the value of ${refused.parameter} ${http}.`,
    redirect: `sends its calls on to another host, where they do not go ${http}: set the address of that one.`,
    request: `refused the request ${http}.`,
    other: `refused the request ${http}.`,
  };
  return new ProviderRefusal(`${name} ${says[refused.reason]}`, refused);
}

/** `away`: nothing of an answer had begun. */
function statusError(
  name: string,
  { status, headers, error, sent = [] }: { status: number; headers: Headers; error: unknown; sent?: readonly string[] },
  away: boolean,
): TaskError {
  const http = `(HTTP ${status})`;
  const told = toldBy(error);
  const isLater = RETRYABLE.has(status) || status >= 500;
  if (!isLater || (status === 429 && told.codes.some((code) => QUOTA.test(code))))
    return refusal(name, reasonOf(status, told, sent), http);
  const what = status === 429 ? 'allows no more requests just now' : 'could not answer';
  return new TaskError('provider_busy', `${name} ${what} ${http}.`, {
    retryAfterMs: retryAfterMs(headers, error),
    away: away && (status === 429 || status >= 500),
  });
}

/** The body of an error, as far as it comes in time: JSON, also as an event of a stream, or words. */
async function errorBody({ body }: Answer): Promise<unknown> {
  const late = setTimeout(() => body.destroy(), ERROR_WAIT_MS);
  try {
    const text = (await readText(body, MAX_ERROR_CHARACTERS)).replace(/^\s*(event:.*\s+)?data:/, '').trim();
    return parseJson(text) ?? (text.startsWith('<') ? undefined : text);
  } catch {
    return undefined;
  } finally {
    clearTimeout(late);
    body.destroy();
  }
}

/** The error of an answer that is none, which ends its body. `sent` are the parameters that the server may refuse. */
export async function answerError(name: string, answer: Answer, sent: readonly string[] = []): Promise<TaskError> {
  const { status, headers } = answer;
  return statusError(name, { status, headers, error: await errorBody(answer), sent }, true);
}

/** The error inside a 200, whose `code` or `status` may be an HTTP status. It has no cause: that would be the provider's words. */
export function embeddedError(name: string, error: unknown, headers: Headers): TaskError {
  const { code, type, status } = asObject(error) ?? {};
  const http = [code, status].map(Number).find((number) => number >= 400 && number < 600);
  if (http !== undefined) return statusError(name, { status: http, headers, error }, false);
  const within = '(HTTP 200 with an error in it)';
  if (REFUSAL.test(String(code)) || REFUSAL.test(String(type)))
    return refusal(name, reasonOf(400, toldBy(error), []), within);
  return new TaskError('provider_busy', `${name} failed while answering ${within}.`);
}

/** Where no connection came about: nothing was sent. */
const isUnconnected = (error: unknown): boolean => {
  const { code, syscall, cause, errors } = (error ?? {}) as NodeJS.ErrnoException & { errors?: unknown[] };
  return (
    code === 'UND_ERR_CONNECT_TIMEOUT' ||
    syscall === 'connect' ||
    syscall === 'getaddrinfo' ||
    (cause !== undefined && isUnconnected(cause)) ||
    (Array.isArray(errors) && errors.length > 0 && errors.every(isUnconnected))
  );
};

/** The error of a call whose connection did not come about, or broke. `hint` is for whoever runs the backend. */
export function connectionError(name: string, error: unknown, hint = ''): TaskError {
  if (error instanceof TaskError) return error;
  const message = `${name} is not reachable, or its connection broke.${hint && ` ${hint}`}`;
  return new TaskError('provider_busy', message, { cause: error, away: isUnconnected(error) });
}
