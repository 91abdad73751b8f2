/**
 * What servers that speak like OpenAI answer, in all their dialects: every leniency towards them stands here. The stream is
 * read with eventsource-parser, which takes half the CPU or less for each chunk than the official client's own reader and
 * bounds an event.
 */
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { TaskError } from '../../../errors.ts';
import type { ChatChunk, Usage } from '../../../provider.ts';
import { type AnswerReader, MAX_EVENT_CHARACTERS, type Take } from '../http-answer.ts';
import { asObject, asText, type Json, parseJson } from '../json.ts';
import { reasonWithCalls, toolCallReader } from '../tool-calls.ts';

/** What an event is not told apart by: a server that keeps a stream open with events of its own says nothing by them. */
const KEEP_ALIVE = /^(ping|heartbeat|keep-?alive)$/i;
const DONE = /^\s*(\[DONE\]|DONE\s*$)/i;
/** JSON of more characters is read when its stream ends. */
const MAX_TRIED_CHARACTERS = 1024 * 1024;
/** Values of `code` and `status` that are no error's. */
const FINE = /^(0|2\d\d|ok|success|succeeded)$/i;

/** Pieces of an answer, told apart. */
type Said = { text: string; reasoning: string };

/** Fields under which parts of an answer hold their words. */
const IN_PARTS = ['text', 'content', 'thinking', 'reasoning', 'value', 'summary'];

/** Adds what a content says: a text, a part, or a list of them. What is thought stays thought, however deep it lies. */
function addContent(value: unknown, said: Said, thinks = false): void {
  if (typeof value === 'string') said[thinks ? 'reasoning' : 'text'] += value;
  else if (Array.isArray(value)) for (const part of value) addContent(part, said, thinks);
  else {
    const part = asObject(value);
    if (!part) return;
    const isThought = thinks || /think|thought|reason/i.test(asText(part.type) ?? '');
    for (const name of IN_PARTS)
      if (part[name] !== undefined) addContent(part[name], said, isThought || /think|reason/.test(name));
  }
}

/** What a delta, or a message, says. Servers that tell their thoughts under two names say the same twice. */
function addSaid(from: Json, said: Said): void {
  addContent(from.content, said);
  const thought = from.reasoning_content || from.reasoning || from.thinking || from.reasoning_details;
  if (thought) addContent(thought, said, true);
}

const asNumber = (value: unknown) => (typeof value === 'number' ? value : undefined);

/** Tokens under either pair of names. Only both together count: half a usage would be a wrong one. */
function usageOf(value: unknown): Usage | undefined {
  const usage = asObject(value);
  const inputTokens = asNumber(usage?.prompt_tokens ?? usage?.input_tokens);
  const outputTokens = asNumber(usage?.completion_tokens ?? usage?.output_tokens);
  if (!usage || inputTokens === undefined || outputTokens === undefined) return undefined;
  const read = asObject(usage.prompt_tokens_details ?? usage.input_tokens_details);
  const written = asObject(usage.completion_tokens_details ?? usage.output_tokens_details);
  const cachedTokens = asNumber(read?.cached_tokens ?? usage.prompt_cache_hit_tokens ?? usage.cached_tokens);
  const reasoningTokens = asNumber(written?.reasoning_tokens ?? usage.reasoning_tokens);
  return {
    ...{ inputTokens, outputTokens },
    ...(cachedTokens === undefined ? {} : { cachedTokens }),
    ...(reasoningTokens === undefined ? {} : { reasoningTokens }),
  };
}

const isFirst = (choice: Json | undefined) => choice !== undefined && (choice.index ?? 0) === 0;

/** The first choice, wherever it stands: nobody asks for others. */
function choiceOf({ choices }: Json): Json | undefined {
  if (!Array.isArray(choices)) return asObject(choices);
  const first = asObject(choices[0]);
  // Nearly always.
  return isFirst(first)
    ? first
    : choices
        .slice(1)
        .map(asObject)
        .find((choice) => choice?.index === 0);
}

/** A value that says something. */
const told = (value: unknown) =>
  value !== undefined && value !== null && value !== '' && value !== false && Object.keys(Object(value)).length > 0
    ? value
    : undefined;

/** A number or a word that says what went wrong. */
const isFault = (code: unknown) => (typeof code === 'number' || typeof code === 'string') && !FINE.test(String(code));

/** The error that an event is instead of a piece of the answer, in whatever dress. */
export function errorIn(event: Json): unknown {
  const { error, base_resp, x_groq, choices } = event;
  if (told(error)) return error;
  const failed = asObject(base_resp)?.status_code;
  if (isFault(failed)) return base_resp;
  if (told(asObject(x_groq)?.error)) return x_groq;
  const choice = choiceOf(event);
  const inner = told(choice?.error) ?? told(asObject(choice?.delta)?.error) ?? told(asObject(choice?.message)?.error);
  if (inner) return inner;
  if ((Array.isArray(choices) && choices.length > 0) || event.usage) return undefined;
  const { code, message, detail, errors, error_code, error_msg, status, success, object, type } = event;
  const isError =
    object === 'error' ||
    type === 'error' ||
    success === false ||
    told(detail) ||
    told(errors) ||
    isFault(error_code) ||
    told(error_msg) ||
    (typeof message === 'string' && message !== '' && !FINE.test(String(code ?? status ?? ''))) ||
    (typeof code === 'number' && code >= 400);
  return isError ? event : undefined;
}

/** What a delta, or a message, calls: the older form holds one call under a name of its own. */
const callsIn = (from: Json | undefined) => from?.tool_calls ?? from?.function_call ?? undefined;

/** Reads the events of one answer as chunks. */
export function openaiReader(): AnswerReader {
  const calls = toolCallReader();
  /** Some give the whole text, and all calls, once more at the end, as a message. */
  let hasDelta = false;
  let hasDeltaCalls = false;
  let isRefusal = false;
  function chunkOf(event: Json): ChatChunk {
    const choice = choiceOf(event);
    const said: Said = { text: '', reasoning: '' };
    const delta = asObject(choice?.delta);
    const whole = asObject(choice?.message);
    if (delta) addSaid(delta, said);
    if (said.text !== '') hasDelta = true;
    else if (!hasDelta) {
      if (whole) addSaid(whole, said);
      else if (choice) addContent(choice.text, said);
    }
    const chunk: ChatChunk = { text: said.text };
    if (said.reasoning !== '') chunk.reasoning = said.reasoning;
    const refusal = asText(delta?.refusal) || asText(whole?.refusal);
    if (refusal && said.text === '') {
      isRefusal = true;
      chunk.text = refusal;
    }
    const called = callsIn(delta);
    hasDeltaCalls ||= called !== undefined;
    const toolCalls = calls.take(hasDeltaCalls ? called : callsIn(whole));
    const finishReason = asText(choice?.finish_reason);
    if (finishReason) {
      toolCalls.push(...calls.end());
      // The words of a refusal are shown; under a reason of its own, so that nobody keeps them as an answer.
      if (isRefusal) chunk.finishReason = 'refusal';
      else chunk.finishReason = calls.hasCalls() ? reasonWithCalls(finishReason) : finishReason;
    }
    if (toolCalls.length > 0) chunk.toolCalls = toolCalls;
    const model = asText(event.model);
    if (model) chunk.model = model;
    const usage = usageOf(event.usage) ?? usageOf(asObject(event.x_groq)?.usage) ?? usageOf(choice?.usage);
    if (usage) chunk.usage = usage;
    return chunk;
  }
  return { chunkOf, calls };
}

/** The values of an event, nearly always one. One of the kind `error` is an error, whatever stands in it. */
function addJson({ event, data }: EventSourceMessage, to: (Json | undefined)[]): void {
  const parsed = parseJson(data);
  for (const one of Array.isArray(parsed) ? parsed : [parsed]) {
    const json = asObject(one);
    to.push(json && event === 'error' && !errorIn(json) ? { error: json } : json);
  }
}

const tooLarge = (name: string) =>
  new TaskError('output_too_large', `${name} sent an event that is larger than allowed.`);

/** The data events of a stream; comments and what only keeps it open give none. It is over at [DONE]. */
function eventStream(name: string): Take {
  let messages: EventSourceMessage[] = [];
  let isTooLarge = false;
  const parser = createParser({
    maxBufferSize: MAX_EVENT_CHARACTERS,
    onEvent(message) {
      const isKeepAlive = message.event !== undefined && KEEP_ALIVE.test(message.event);
      if (!isKeepAlive && message.data.trim() !== '') messages.push(message);
    },
    onError(error) {
      isTooLarge ||= error.type === 'max-buffer-size-exceeded';
    },
  });
  return (text, last) => {
    messages = [];
    // The blank line at the end gives out an event that its upstream did not close, whole or truncated.
    parser.feed(last ? `${text}\n\n` : text);
    if (isTooLarge) throw tooLarge(name);
    const end = messages.findIndex(({ data }) => DONE.test(data));
    const events: (Json | undefined)[] = [];
    for (const message of end === -1 ? messages : messages.slice(0, end)) addJson(message, events);
    return { events, over: end !== -1 };
  };
}

/** The values of a text that is JSON, or a line of JSON for each; undefined when it is not whole. */
function valuesOf(text: string): unknown[] | undefined {
  const whole = parseJson(text);
  if (whole !== undefined) return Array.isArray(whole) ? whole : [whole];
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const values = lines.map(parseJson);
  return values.includes(undefined) ? undefined : values;
}

/** Whole JSON where a stream was asked for, or a line of it for each event. */
function plainJson(name: string): Take {
  let pending = '';
  return (text, last) => {
    pending += text;
    if (pending.length > MAX_EVENT_CHARACTERS) throw tooLarge(name);
    // Only where it may be whole, and not for long: to try each time would cost the square of its length.
    const mayBeWhole = last || (pending.length < MAX_TRIED_CHARACTERS && /[}\]]\s*$/.test(text));
    if (!mayBeWhole || pending.trim() === '') return { events: [], over: false };
    const values = valuesOf(pending);
    if (values) pending = '';
    return { events: (values ?? (last ? [undefined] : [])).map(asObject), over: false };
  };
}

/** The events of an answer. What it is shows at its first sign: media types are wrong too often. */
export function openaiEvents(name: string): Take {
  let take: Take | undefined;
  return (text, last) => {
    if (!take) {
      const [first] = text.trimStart();
      if (first === undefined) return { events: [], over: false };
      take = first === '{' || first === '[' ? plainJson(name) : eventStream(name);
    }
    return take(text, last);
  };
}
