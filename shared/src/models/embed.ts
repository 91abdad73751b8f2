/** Texts as vectors: as many at once as servers take, and every answer checked. */
import type { Llm } from '../context.ts';
import { TaskError } from '../errors.ts';
import type { EmbedCall, Embedded, Provider } from '../provider.ts';
import { type CallSoFar, estimateTokens, newCall } from './call-usage.ts';
import { ProviderRefusal } from './providers/answer-error.ts';
import type { RefusalReason } from './providers/refusal-reason.ts';
import { watchSilence } from './watch-silence.ts';

/** Of one request: a few MB of JSON come back. */
const MAX_TEXTS = 64;
const MAX_TOKENS = 100_000;
/** Reasons of a refusal by which fewer texts may be taken: servers bound them as they like. */
const TOO_MUCH: readonly RefusalReason[] = ['context', 'request', 'value', 'other'];

/** The texts in requests, in their order. */
function batchesOf(texts: readonly string[]): string[][] {
  const batches: string[][] = [];
  let tokens = 0;
  for (const text of texts) {
    const cost = estimateTokens(text);
    const batch = batches.at(-1);
    if (batch && batch.length < MAX_TEXTS && tokens + cost <= MAX_TOKENS) {
      batch.push(text);
      tokens += cost;
    } else {
      batches.push([text]);
      tokens = cost;
    }
  }
  return batches;
}

const isVector = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((number) => Number.isFinite(number));

type Ask = (texts: string[]) => Promise<Embedded>;

/** Asks for one batch; by halves when the server refuses it as too much. */
async function embedBatch(name: string, texts: string[], ask: Ask): Promise<Embedded[]> {
  try {
    const embedded = await ask(texts);
    if (embedded.vectors.length !== texts.length || !embedded.vectors.every(isVector))
      throw new TaskError('provider_busy', `${name} did not give a vector for each text.`);
    return [embedded];
  } catch (error) {
    const isTooMuch = error instanceof ProviderRefusal && TOO_MUCH.includes(error.reason);
    if (!isTooMuch || texts.length === 1) throw error;
    const half = Math.ceil(texts.length / 2);
    const first = await embedBatch(name, texts.slice(0, half), ask);
    return [...first, ...(await embedBatch(name, texts.slice(half), ask))];
  }
}

/** Any number of texts. Throws as `Provider.embed` does, and when the vectors are not all of one length. */
async function embedTexts(name: string, texts: readonly string[], ask: Ask): Promise<number[][]> {
  const vectors: number[][] = [];
  for (const batch of batchesOf(texts))
    for (const embedded of await embedBatch(name, batch, ask)) vectors.push(...embedded.vectors);
  const length = vectors[0]?.length;
  if (vectors.some((vector) => vector.length !== length))
    throw new TaskError('provider_refused', `${name} gave vectors of different lengths.`);
  return vectors;
}

/** `choose` finds the model of a name; what the calls used is added to `used`. */
export function createEmbed(options: {
  choose(name: string): { provider: Provider; model: string };
  used: CallSoFar[];
  idleTimeoutMs: number;
  signal: AbortSignal;
}): Llm['embed'] {
  const { choose, used, idleTimeoutMs, signal } = options;
  return async (texts, { model: name, dimensions, signal: own }) => {
    const { provider, model } = choose(name);
    const { embed } = provider;
    if (!embed) throw new TaskError('provider_refused', `${provider.name} has no models that give vectors.`);
    const ended = new AbortController();
    const stop = AbortSignal.any([signal, ended.signal, ...(own ? [own] : [])]);
    const idle = watchSilence(idleTimeoutMs, ended);
    let answeredBy = model;
    const ask = async (batch: string[]) => {
      idle.resume();
      const call: EmbedCall = { model, dimensions, signal: stop };
      // Some servers refuse an empty text.
      const embedded = await embed(
        batch.map((text) => (text === '' ? ' ' : text.toWellFormed())),
        call,
      );
      answeredBy = embedded.model;
      used.push({
        ...newCall({ messages: batch.map((content) => ({ role: 'user', content })) }),
        reported: embedded.usage,
      });
      return embedded;
    };
    try {
      const vectors = await embedTexts(provider.name, texts, ask);
      return { vectors, model: answeredBy, provider: provider.name };
    } catch (error) {
      stop.throwIfAborted();
      throw error;
    } finally {
      idle.stop();
    }
  };
}
