/** The errors of model servers, said in our words: what a server says may repeat the prompt or the key. */
import { TaskError } from '../../errors.ts';
import type { Answer } from './http-fetch.ts';
import { asObject, parseJson, readText } from './json.ts';
import { lacksOption, QUOTA, type Refusal, type RefusalReason, reasonOf, toldBy } from './refusal-reason.ts';
import { retryAfterMs } from './retry-after.ts';

/** A refusal whose reason is known. */
export class ProviderRefusal extends TaskError {
  readonly reason: RefusalReason;
  /** The one that it is about, of those the server was sent. */
  readonly parameter: string | undefined;
  /** Its model takes it in no call, whatever its value. */
  readonly always: boolean;

  constructor(message: string, { reason, parameter, always = false }: Refusal) {
    super('provider_refused', message);
    this.reason = reason;
    this.parameter = parameter;
    this.always = always;
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

/** A refusal in our words; `http` is its status. */
function refusal(name: string, refused: Refusal, http: string): ProviderRefusal {
  const says: Record<RefusalReason, string> = {
    key: `refused the API key ${http}.`,
    quota: `has no credit left for this API key ${http}.`,
    model: `does not know this model or address ${http}.`,
    context: `refused the request: it is longer than the model takes ${http}.`,
    filter: `refused the request: its content filter objects to it ${http}.`,
    image: `refused the request: this model does not take its images ${http}.`,
    parameter: `refused the parameter ${refused.parameter} ${http}.`,
    wanted: `refused the request: it wants ${refused.parameter} ${http}.`,
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
  const isLater = (RETRYABLE.has(status) || status >= 500) && !lacksOption(told);
  // Groq: the model tried to call a function, and failed.
  if (told.codes.includes('tool_use_failed'))
    return new TaskError('provider_busy', `The model of ${name} made a call of a function that is none ${http}.`);
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
