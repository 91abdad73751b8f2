/** Model calls of one attempt: picks the provider, watches for silence, and adds up what the calls used. */
import type { Llm } from '../context.ts';
import { TaskError } from '../errors.ts';
import type { ChatChunk, Provider } from '../provider.ts';
import { askedAgain, checkAnswer, checkForm, invalidAnswer, type JsonForm, jsonForm } from './answer/json-form.ts';
import { toldChunks } from './answer/told-chunks.ts';
import { type CallSoFar, merged, newCall, usageOf } from './call-usage.ts';
import { conversation, withoutRefused } from './conversation.ts';
import { createEmbed } from './embed.ts';
import { addToolCalls } from './tool-calls.ts';
import { watchSilence } from './watch-silence.ts';

/** Providers by name, the one that serves names without a provider's prefix, and the model of calls that name none. */
export type Providers = {
  /** Names that always mean a provider, configured or not, so that a missing one is said plainly. */
  known: readonly string[];
  byName: ReadonlyMap<string, Provider>;
  default: Provider;
  /** Asks the default provider, until it has answered once, where nobody set a model. */
  defaultModel(signal: AbortSignal): Promise<string>;
};

/**
 * Whose model a name is. Names of models may hold slashes themselves (`meta-llama/Llama-3`), so a prefix that is no
 * provider's name belongs to the name, unless the default provider has a fixed list of models.
 */
export function chooseModel(providers: Providers, wanted: string): { provider: Provider; model: string } {
  const slash = wanted.indexOf('/');
  const prefix = slash > 0 ? wanted.slice(0, slash) : '';
  const provider = providers.byName.get(prefix);
  if (provider) return { provider, model: wanted.slice(slash + 1) };
  if (providers.known.includes(prefix) || (prefix !== '' && providers.default.models)) {
    const configured = [...providers.byName.keys()].join(', ');
    const message = `The model ${wanted} needs the provider ${prefix}, which is not configured. Configured: ${configured}.`;
    throw new TaskError('provider_not_configured', message);
  }
  return { provider: providers.default, model: wanted };
}

const FULL = /length|max_?tokens/i;

/** Whether an answer ended because there was no room for more of it. */
export const isCutShort = (finishReason: string) => FULL.test(finishReason);

/** Reasons by which somebody, or the model itself, declined to answer. */
const DECLINED = /refus|filter|safety/i;

/** Characters of an answer that is held until it is whole: nobody else bounds it meanwhile. */
const MAX_HELD = 16 * 1024 * 1024;
const heldError = (provider: string) =>
  new TaskError('output_too_large', `The model of ${provider} wrote more than ${MAX_HELD} characters of JSON.`);

/** The error of an answer that is cut in the middle of what must be whole. */
const fullError = (provider: string) =>
  new TaskError(
    'provider_refused',
    `The model of ${provider} had no room for the whole answer: allow it more max_tokens.`,
  );

/** The error of an answer without a word: no task completes with one. */
function emptyError(end: { provider: string; finish_reason: string }, hasThought: boolean): TaskError {
  if (!isCutShort(end.finish_reason))
    return new TaskError('provider_busy', `The model of ${end.provider} answered without a word.`);
  const why = hasThought ? 'thought until there was no room for an answer' : 'had no room for a word';
  return new TaskError('provider_refused', `The model of ${end.provider} ${why}: allow it more max_tokens.`);
}

export function createLlm(options: { providers: Providers; idleTimeoutMs: number; signal: AbortSignal }) {
  const { providers, idleTimeoutMs, signal } = options;
  const calls: CallSoFar[] = [];
  /** Calls for vectors, which are no answers. */
  const embedded: CallSoFar[] = [];
  const used = () => usageOf([...calls, ...embedded]);
  /** For people, of all calls. */
  const notes = new Set<string>();
  let last = { model: '', provider: '', finish_reason: 'incomplete', isModel: true };

  function take(call: CallSoFar, chunk: ChatChunk): void {
    // A call that was refused before its first chunk used nothing.
    if (!calls.includes(call)) calls.push(call);
    if (chunk.note) notes.add(chunk.note);
    if (chunk.model) last.model = chunk.model;
    if (chunk.finishReason) last.finish_reason = chunk.finishReason;
    if (chunk.usage) call.reported = merged(call.reported, chunk.usage);
    call.reasoning += chunk.reasoning ?? '';
    call.text += chunk.text;
    addToolCalls(call.calls, chunk.toolCalls);
  }

  /** The text of an answer that must be JSON, or what is wrong with it. One that calls functions, or was declined, need not be. */
  async function checkEnd(form: JsonForm, { text, calls: called }: CallSoFar) {
    if (called.length > 0 || DECLINED.test(last.finish_reason)) return { text };
    const checked = await checkAnswer(form, text);
    if ('problem' in checked && isCutShort(last.finish_reason)) throw fullError(last.provider);
    return checked;
  }

  const llm: Llm = {
    async *chat({ model: name, messages: given, signal: own, ...request }) {
      const ended = new AbortController();
      const stop = AbortSignal.any([signal, ended.signal, ...(own ? [own] : [])]);
      const idle = watchSilence(idleTimeoutMs, ended);
      try {
        const { provider, model } = chooseModel(providers, name ?? (await providers.defaultModel(stop)));
        if (provider.note) notes.add(provider.note);
        const form = jsonForm(request.response_format);
        if (form) await checkForm(form);
        let shown = given;
        for (let asked: 'first' | 'again' | 'enough' = 'first'; asked !== 'enough'; ) {
          const call = newCall({ ...request, messages: conversation(shown) });
          last = { model, provider: provider.name, finish_reason: 'incomplete', isModel: provider.note === undefined };
          try {
            const chunks = provider.chat({ ...request, messages: call.sent.messages, model, signal: stop });
            for await (const chunk of toldChunks(chunks, request)) {
              idle.pause();
              take(call, chunk);
              if (form && call.text.length > MAX_HELD) throw heldError(provider.name);
              yield form ? { ...chunk, text: '' } : chunk;
              idle.resume();
            }
            if (call.text.trim() === '' && call.calls.length === 0) throw emptyError(last, call.reasoning !== '');
          } catch (error) {
            const hasSpoken = call.text !== '' || call.calls.length > 0;
            const less = stop.aborted || hasSpoken ? undefined : withoutRefused(shown, error);
            if (!less) throw error;
            shown = less.messages;
            notes.add(less.note);
            continue;
          }
          idle.pause();
          const checked = form ? await checkEnd(form, call) : { text: '' };
          if ('text' in checked) {
            if (checked.text !== '') yield { text: checked.text };
            asked = 'enough';
          } else if (asked === 'again') throw invalidAnswer(checked.problem);
          else {
            shown = askedAgain(call.sent.messages, call.text, checked.problem);
            asked = 'again';
            idle.resume();
          }
        }
        signal.throwIfAborted();
        ended.signal.throwIfAborted();
      } catch (error) {
        signal.throwIfAborted();
        ended.signal.throwIfAborted();
        throw error;
      } finally {
        idle.stop();
        ended.abort();
      }
    },

    async describe(name) {
      const { provider, model } = chooseModel(providers, name ?? (await providers.defaultModel(signal)));
      // A server that chats may know no such question. A model that is not there says so when it is called.
      const known = await provider.describe?.(model, signal).catch((error: unknown) => {
        if (!(error instanceof TaskError) || error.code !== 'provider_refused') throw error;
        return undefined;
      });
      return { tools: known?.tools ?? true, contextTokens: known?.contextTokens };
    },

    embed: createEmbed({ choose: (name) => chooseModel(providers, name), used: embedded, idleTimeoutMs, signal }),

    async resolve(name) {
      const { provider, model } = chooseModel(providers, name ?? (await providers.defaultModel(signal)));
      return `${provider.name}/${model}`;
    },

    outcome() {
      const note = notes.size === 0 ? {} : { note: [...notes].join(' ') };
      const { calls: called = [], reasoning } = calls.at(-1) ?? {};
      const more = {
        ...(called.length > 0 ? { tool_calls: called } : {}),
        ...(reasoning ? { reasoning } : {}),
      };
      return { ...last, ...more, ...note, usage: used() };
    },
  };
  return { llm, usage: () => (calls.length + embedded.length > 0 ? used() : undefined) };
}
