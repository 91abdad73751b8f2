/** What providers over HTTP share: the errors of answers that are none, and the reading of streams whose every byte may be wrong. */
import type { Readable } from 'node:stream';
import { TaskError } from '../../errors.ts';
import type { ChatChunk } from '../../provider.ts';

const HOUR_MS = 3_600_000;
const CLOSE_WAIT_MS = 100;
/** Of one event or line. */
export const MAX_EVENT_CHARACTERS = 64 * 1024 * 1024;
const MAX_LIST_CHARACTERS = 8 * 1024 * 1024;

/** Statuses below 500 that say "later" rather than "no". */
const RETRYABLE = new Set([408, 409, 425, 429]);
/** What `error.type` or `error.code` say when a 200 carries an error that another attempt would meet again. */
const REFUSAL =
  /^(invalid_request|authentication|permission|not_found)_error$|^(invalid_api_key|model_not_found|context_length_exceeded)$|^content_(filter|policy_violation)$/;

export type Json = Record<string, unknown>;
export const asObject = (value: unknown): Json | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
export const asText = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** The object that a text is in JSON. */
export function parseObject(text: string): Json | undefined {
  try {
    return asObject(JSON.parse(text));
  } catch {
    // The SyntaxError quotes the provider's text, so it must not travel on as a cause.
    return undefined;
  }
}

/** Milliseconds a response asks to wait, at most an hour; undefined when it does not say. Retry-After is seconds or an HTTP date. */
function retryAfterMs(headers: Headers): number | undefined {
  const milliseconds = headers.get('retry-after-ms');
  const after = headers.get('retry-after') ?? '';
  const afterMs = /^[\d.]+$/.test(after) ? Number(after) * 1000 : Date.parse(after) - Date.now();
  const wait = milliseconds ? Number(milliseconds) : afterMs;
  return Number.isNaN(wait) ? undefined : Math.round(Math.min(Math.max(wait, 0), HOUR_MS));
}

/** The error of an HTTP status. The message is ours alone: a provider's body may repeat the prompt or the key. */
export function statusError(name: string, status: number, headers: Headers): TaskError {
  const http = `(HTTP ${status})`;
  if (status === 401 || status === 403)
    return new TaskError('provider_refused', `${name} refused the API key ${http}.`);
  if (status === 404) return new TaskError('provider_refused', `${name} does not know this model or address ${http}.`);
  if (status >= 400 && status < 500 && !RETRYABLE.has(status))
    return new TaskError('provider_refused', `${name} refused the request ${http}.`);
  const what = status === 429 ? 'allows no more requests just now' : 'could not answer';
  return new TaskError('provider_busy', `${name} ${what} ${http}.`, { retryAfterMs: retryAfterMs(headers) });
}

/** The error inside a 200, whose `code` or `status` may be an HTTP status. It has no cause: that would be the provider's words. */
export function embeddedError(name: string, error: unknown, headers: Headers): TaskError {
  const { code, type, status } = asObject(error) ?? {};
  const http = [code, status].map(Number).find((number) => number >= 400 && number < 600);
  if (http !== undefined) return statusError(name, http, headers);
  if (REFUSAL.test(String(code)) || REFUSAL.test(String(type)))
    return new TaskError('provider_refused', `${name} refused the request (HTTP 200 with an error in it).`);
  return new TaskError('provider_busy', `${name} failed while answering (HTTP 200 with an error in it).`);
}

/** The error of a call whose connection did not come about, or broke. `hint` is for whoever runs the backend. */
export function connectionError(name: string, error: unknown, hint = ''): TaskError {
  if (error instanceof TaskError) return error;
  const message = `${name} is not reachable, or its connection broke.${hint && ` ${hint}`}`;
  return new TaskError('provider_busy', message, { cause: error });
}

/** The text of a body that is not a stream, as far as `limit` characters. */
export async function readText(body: Readable, limit = MAX_LIST_CHARACTERS): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of body) {
    text += decoder.decode(bytes, { stream: true });
    if (text.length > limit) break;
  }
  return text;
}

/** Waits a moment for the end of a body whose answer is complete: only then can its connection be used again. */
async function awaitClose(body: Readable, bytes: AsyncIterator<Uint8Array>): Promise<void> {
  const timer = setTimeout(() => body.destroy(), CLOSE_WAIT_MS);
  try {
    while (!(await bytes.next()).done);
  } catch {
    // The answer is whole; how its connection ends is of no matter.
  } finally {
    clearTimeout(timer);
  }
}

/** What arrived together: JSON objects, undefined for what is none. `over`: the answer is whole, whatever follows. */
export type Batch = { events: (Json | undefined)[]; over: boolean };

/** The events of a body, as many at a time as arrived together. `take` gets its text in pieces, the last one with `last`. */
export async function* readEvents(
  body: Readable,
  take: (text: string, last: boolean) => Batch,
): AsyncGenerator<Batch['events']> {
  const decoder = new TextDecoder();
  const bytes: AsyncIterator<Uint8Array> = body[Symbol.asyncIterator]();
  try {
    for (let ended = false; !ended; ) {
      const read = await bytes.next();
      const { events, over } = take(
        read.done ? decoder.decode() : decoder.decode(read.value, { stream: true }),
        read.done ?? false,
      );
      yield events;
      if (over && !read.done) await awaitClose(body, bytes);
      ended = read.done || over;
    }
  } finally {
    body.destroy();
  }
}

/** How one backend is called and understood. */
export type Dialect = {
  name: string;
  /** Sends the call; gives its answer's headers and events, or throws the error that it is instead. */
  open(): Promise<{ headers: Headers; events: AsyncIterable<Batch['events']> }>;
  /** The error that an event is instead of a piece of the answer. */
  errorIn(event: Json): unknown;
  chunkOf(event: Json): ChatChunk;
  /** The error of a call that did not come to an end. */
  callError(error: unknown): TaskError;
};

/** One call: a chunk for every event. */
export async function* streamChat(dialect: Dialect, signal: AbortSignal): AsyncGenerator<ChatChunk> {
  const { name } = dialect;
  let hasChunks = false;
  let hasText = false;
  try {
    signal.throwIfAborted();
    const { headers, events } = await dialect.open();
    for await (const batch of events) {
      for (const event of batch) {
        signal.throwIfAborted();
        if (!event) throw new TaskError('provider_busy', `${name} sent a stream that is not valid.`);
        const error = dialect.errorIn(event);
        if (error) throw embeddedError(name, error, headers);
        const chunk = dialect.chunkOf(event);
        hasChunks = true;
        hasText ||= chunk.text !== '';
        if (chunk.finishReason === 'content_filter' && !hasText)
          throw new TaskError('provider_refused', `${name} filtered the content.`);
        yield chunk;
      }
    }
  } catch (error) {
    // After an abort the reason is the signal's, whatever the client or the body threw.
    signal.throwIfAborted();
    throw dialect.callError(error);
  }
  signal.throwIfAborted();
  if (!hasChunks) throw new TaskError('provider_busy', `${name} ended its stream without an answer.`);
}
