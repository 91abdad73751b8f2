/** What providers over HTTP share: the reading of streams whose every byte may be wrong, and the judging of where they end. */
import type { Readable } from 'node:stream';
import { TaskError } from '../../errors.ts';
import type { ChatChunk } from '../../provider.ts';
import { embeddedError, ProviderRefusal } from './answer-error.ts';
import type { Answer } from './http-fetch.ts';
import type { Json } from './json.ts';
import type { toolCallReader } from './tool-calls.ts';

const CLOSE_WAIT_MS = 100;
/** What may still come once the model has said that it is done: its usage, and the end of the stream. */
const LAST_WAIT_MS = 1_000;
/** Of one event or line. */
export const MAX_EVENT_CHARACTERS = 64 * 1024 * 1024;

/** Reasons of an end that is none: the server, not the model, gave up. */
const FAILED = /error|fail|abort|cancel|insufficient|overload|time_?out|unavailable|malformed/i;
/** Reasons by which somebody forbade the text. */
const FORBIDDEN = /filter|safety|sensitive|prohibited|recitation|blocklist|moderat|guardrail|refus|spii|censor/i;

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
/** Gets the text of an answer in pieces, the last one with `last`. */
export type Take = (text: string, last: boolean) => Batch;

/** The events of a body, as many at a time as arrived together. */
async function* readEvents(body: Readable, take: Take): AsyncGenerator<Batch['events']> {
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

/** Reads the events of one answer. `calls`: those that it has found in them. */
export type AnswerReader = {
  chunkOf(event: Json): ChatChunk;
  calls: ReturnType<typeof toolCallReader>;
};

/** How one backend is called and understood. */
export type Dialect = {
  name: string;
  /**
   * Sends the call; gives its answer and what reads that, or throws the error that it is instead. `note`: what of the call
   * could not be honoured.
   */
  open(): Promise<{ answer: Answer; take: Take; note?: string | undefined }>;
  /** The error that an event is instead of a piece of the answer. */
  errorIn(event: Json): unknown;
  reader: AnswerReader;
  /** The error of a call that did not come to an end. */
  callError(error: unknown): TaskError;
};

/** Holds back half a letter until its other half comes, and gives out no other half. `rest`: one that is left. */
function wholeLetters() {
  let half = '';
  return {
    take(text: string): string {
      if (text === '') return '';
      const joined = half + text;
      const last = joined.charCodeAt(joined.length - 1);
      half = last >= 0xd800 && last <= 0xdbff ? joined.slice(-1) : '';
      const whole = half === '' ? joined : joined.slice(0, -1);
      return whole.isWellFormed() ? whole : whole.toWellFormed();
    },
    rest: () => half.toWellFormed(),
  };
}

/**
 * One call: a chunk for every event. An answer whose model has said that it is done is whole, however its stream ends then;
 * one that ends in a failure, or says neither a word nor that it is done, is an error.
 */
export async function* streamChat(dialect: Dialect, signal: AbortSignal): AsyncGenerator<ChatChunk> {
  const { name, reader } = dialect;
  const letters = wholeLetters();
  const seen = { chunks: false, text: false, finish: undefined as string | undefined };
  let lastWait: NodeJS.Timeout | undefined;
  let isReading = true;
  try {
    signal.throwIfAborted();
    const { answer, take, note } = await dialect.open();
    for await (const batch of readEvents(answer.body, take)) {
      for (const event of batch) {
        signal.throwIfAborted();
        if (!event) throw new TaskError('provider_busy', `${name} sent a stream that is not valid.`);
        const error = dialect.errorIn(event);
        if (error) throw embeddedError(name, error, answer.headers);
        const chunk = reader.chunkOf(event);
        chunk.text = letters.take(chunk.text);
        if (note && !seen.chunks) chunk.note = note;
        seen.chunks = true;
        seen.text ||= /\S/.test(chunk.text);
        if (chunk.finishReason !== undefined) {
          if (FAILED.test(chunk.finishReason)) throw new TaskError('provider_busy', `${name} gave up while answering.`);
          seen.finish = chunk.finishReason;
          // Counts only the time in which we wait for the server: its text may still be on its way to the reader.
          lastWait ??= setTimeout(() => {
            if (isReading) answer.body.destroy();
            else lastWait?.refresh();
          }, LAST_WAIT_MS);
        }
        if (chunk.text !== '' || chunk.toolCalls || chunk.usage) lastWait?.refresh();
        isReading = false;
        yield chunk;
        isReading = true;
      }
    }
  } catch (error) {
    // After an abort the reason is the signal's, whatever the client or the body threw.
    signal.throwIfAborted();
    if (seen.finish === undefined) throw dialect.callError(error);
  } finally {
    clearTimeout(lastWait);
  }
  signal.throwIfAborted();
  if (!seen.chunks) throw new TaskError('provider_busy', `${name} ended its stream without an answer.`);
  const toolCalls = reader.calls.end();
  const hasCalls = reader.calls.hasCalls();
  // What it calls without all arguments is no call, unless the model said that it had no room for more.
  const isCut = hasCalls ? !reader.calls.areWhole() : !seen.text;
  if (isCut && seen.finish === undefined)
    throw new TaskError('provider_busy', `${name} ended its stream in the middle of its answer.`);
  if (hasCalls && seen.finish === undefined) yield { text: '', toolCalls, finishReason: 'tool_calls' };
  if (!seen.text && !hasCalls && FORBIDDEN.test(seen.finish ?? ''))
    throw new ProviderRefusal(`${name} filtered the content.`, { reason: 'filter' });
  if (letters.rest() !== '') yield { text: letters.rest() };
}
