/** Model calls of one attempt: picks the provider, watches for silence, and adds up what the calls used. */
import type { Llm } from '../context.ts';
import { TaskError } from '../errors.ts';
import type { ChatMessage, Provider, Usage } from '../provider.ts';
import { conversation, withoutRefused } from './conversation.ts';

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

/** About four characters of Latin text, or one of Hangul and Han, make a token. */
function estimateTokens(text: string): number {
  const wide = text.match(/[\u1100-\u11ff\u3040-\u9fff\uac00-\ud7af]/g)?.length ?? 0;
  return Math.ceil(wide + (text.length - wide) / 4);
}

const messageText = ({ content }: ChatMessage) =>
  typeof content === 'string' ? content : content.map((part) => (part.type === 'text' ? part.text : '')).join('');

/** Redis sums whole numbers; what else a backend reports is no count. */
const isCount = (tokens: number) => Number.isSafeInteger(tokens) && tokens >= 0;

/** One call as far as it has come: what was said, and what the backend reported of it. */
type Call = { messages: ChatMessage[]; text: string; reported: Usage | undefined };

/** Counts as they are told: cumulative, each time anew. A later zero takes back nothing that was counted. */
function merged(before: Usage | undefined, { inputTokens, outputTokens }: Usage): Usage | undefined {
  if (!isCount(inputTokens) || !isCount(outputTokens)) return before;
  return {
    inputTokens: inputTokens || (before?.inputTokens ?? 0),
    outputTokens: outputTokens || (before?.outputTokens ?? 0),
  };
}

/** Reasons of an end by which there was no room for more. */
const FULL = /length|max_?tokens/i;

/** The error of an answer without a word: no task completes with one. */
function emptyError(end: { provider: string; finish_reason: string }, hasThought: boolean): TaskError {
  if (!FULL.test(end.finish_reason))
    return new TaskError('provider_busy', `The model of ${end.provider} answered without a word.`);
  const why = hasThought ? 'thought until there was no room for an answer' : 'had no room for a word';
  return new TaskError('provider_refused', `The model of ${end.provider} ${why}: allow it more max_tokens.`);
}

/** Gives a silent model up: `refresh` when it has said something. */
function watch(idleTimeoutMs: number, ended: AbortController) {
  let waiting = true;
  // Counts only the time in which we wait for the model: a slow Redis is not a silent model.
  const idle = setTimeout(() => {
    if (!waiting) return;
    ended.abort(new TaskError('provider_busy', `The model sent nothing for ${idleTimeoutMs} ms.`));
  }, idleTimeoutMs);
  return {
    pause() {
      waiting = false;
    },
    resume() {
      waiting = true;
      idle.refresh();
    },
    stop: () => clearTimeout(idle),
  };
}

export function createLlm(options: { providers: Providers; idleTimeoutMs: number; signal: AbortSignal }) {
  const { providers, idleTimeoutMs, signal } = options;
  const calls: Call[] = [];
  /** For people, of all calls. */
  const notes = new Set<string>();
  let last = { model: '', provider: '', finish_reason: 'incomplete', isModel: true };

  /** Tokens of all calls, those that were cut short included; `estimated` where a backend reported none. */
  function usage() {
    const total = { inputTokens: 0, outputTokens: 0, estimated: false };
    for (const { messages, text, reported } of calls) {
      total.inputTokens += reported?.inputTokens ?? estimateTokens(messages.map(messageText).join('\n'));
      total.outputTokens += reported?.outputTokens ?? estimateTokens(text);
      total.estimated ||= reported === undefined;
    }
    return total;
  }

  const llm: Llm = {
    async *chat({ model: name, messages: given, signal: own, ...request }) {
      const ended = new AbortController();
      const stop = AbortSignal.any([signal, ended.signal, ...(own ? [own] : [])]);
      const idle = watch(idleTimeoutMs, ended);
      try {
        const { provider, model } = chooseModel(providers, name ?? (await providers.defaultModel(stop)));
        if (provider.note) notes.add(provider.note);
        for (let shown = given, isOver = false; !isOver; ) {
          const call: Call = { messages: conversation(shown), text: '', reported: undefined };
          let hasThought = false;
          last = { model, provider: provider.name, finish_reason: 'incomplete', isModel: provider.note === undefined };
          try {
            for await (const chunk of provider.chat({ ...request, messages: call.messages, model, signal: stop })) {
              idle.pause();
              // A call that was refused before its first chunk used nothing.
              if (!calls.includes(call)) calls.push(call);
              if (chunk.note) notes.add(chunk.note);
              if (chunk.model) last.model = chunk.model;
              if (chunk.finishReason) last.finish_reason = chunk.finishReason;
              if (chunk.usage) call.reported = merged(call.reported, chunk.usage);
              hasThought ||= chunk.reasoning !== undefined;
              call.text += chunk.text;
              yield chunk;
              idle.resume();
            }
            if (call.text.trim() === '') throw emptyError(last, hasThought);
            isOver = true;
          } catch (error) {
            const less = stop.aborted || call.text !== '' ? undefined : withoutRefused(shown, error);
            if (!less) throw error;
            shown = less.messages;
            notes.add(less.note);
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
      const known = await provider.describe?.(model, signal);
      return { tools: known?.tools ?? true, contextTokens: known?.contextTokens };
    },

    async resolve(name) {
      const { provider, model } = chooseModel(providers, name ?? (await providers.defaultModel(signal)));
      return `${provider.name}/${model}`;
    },

    outcome() {
      const note = notes.size === 0 ? {} : { note: [...notes].join(' ') };
      return { ...last, ...note, usage: usage() };
    },
  };
  return { llm, usage: () => (calls.length > 0 ? usage() : undefined) };
}
