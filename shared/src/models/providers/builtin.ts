/**
 * The responder that needs no key and no network: it quotes the sentences of the conversation that share most with the
 * question. Deterministic, and not a language model; it says so where it has nothing to quote. `paced` gives the same
 * answers as `extract`, at the pace of a model.
 */
import { setImmediate, setTimeout } from 'node:timers/promises';
import { z } from 'zod';
import { TaskError } from '../../errors.ts';
import type { ChatCall, ChatChunk, ChatMessage, Provider } from '../../provider.ts';
import { defineProvider } from '../provider-definition.ts';

const MODEL = 'extract';
const PACED = 'paced';
/** Twenty words a second. */
const PAUSE_MS = 50;
/** What is searched; more would hold up the process, which other tasks share. */
const MAX_MATERIAL_CHARACTERS = 128 * 1024;
const MAX_QUESTION_CHARACTERS = 1_000;
const MAX_QUOTE_CHARACTERS = 400;
const MAX_QUOTES = 3;
const CHUNKS_PER_TURN = 32;

const phrases = {
  en: {
    found: 'The conversation itself says:',
    nothing:
      'I am the built-in responder of beanline, not a language model: I can only quote the text of the conversation, and nothing in it answers this.',
    asked: 'You asked:',
    configure:
      'For answers of a real model, run Ollama or set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own, and start beanline again.',
  },
  ko: {
    found: '대화에 이렇게 나와 있습니다:',
    nothing:
      '저는 언어 모델이 아니라 beanline의 내장 응답기입니다. 대화에 있는 글을 인용할 수만 있는데, 이 질문에 답이 되는 글이 없습니다.',
    asked: '질문:',
    configure:
      '실제 모델의 답을 받으려면 Ollama를 실행하거나 OPENAI_API_KEY를, 직접 운영하는 서버라면 OPENAI_BASE_URL을 설정하고 beanline을 다시 시작하세요.',
  },
};

const sentenceSegmenter = new Intl.Segmenter('ko', { granularity: 'sentence' });

function sentencesOf(text: string): string[] {
  return Array.from(sentenceSegmenter.segment(text), ({ segment }) => segment.trim()).filter(Boolean);
}

const isQuestion = (sentence: string) => /[?？]\P{L}*$/u.test(sentence.slice(-8));
const cut = (text: string, length: number) => (text.length > length ? `${text.slice(0, length)}…` : text);

function textOf({ content }: ChatMessage): string {
  if (typeof content === 'string') return content;
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('\n');
}

/** A text that is too long gives its beginning and its end: the question of a long message stands at either. */
function clip(text: string, length: number): string {
  if (text.length <= length) return text;
  const half = Math.floor(length / 2);
  return `${text.slice(0, half)}\n${text.slice(-half)}`;
}

/**
 * What two sentences can share. Words of scripts with spaces stand for themselves; Hangul, Han and Kana give their pairs of
 * letters, so that particles and endings do not hide a stem (서울은, 서울의).
 */
function termsOf(sentence: string): Set<string> {
  const terms = new Set<string>();
  for (const [run] of sentence
    .toLowerCase()
    .matchAll(/[\p{Script=Hangul}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]+|[\p{L}\p{M}\p{N}]+/gu)) {
    if (run.charCodeAt(0) < 0x1100) terms.add(run.length > 3 && run.endsWith('s') ? run.slice(0, -1) : run);
    else if (run.length === 1) terms.add(run);
    else for (let at = 0; at + 1 < run.length; at += 1) terms.add(run.slice(at, at + 2));
  }
  return terms;
}

/** The sentences that share most with the question, in the order of the text. A term counts more the fewer sentences have it. */
function bestSentences(question: string, sentences: string[]): string[] {
  const asked = termsOf(question);
  const shared = sentences.map((sentence) => [...termsOf(sentence)].filter((term) => asked.has(term)));
  const counts = new Map<string, number>();
  for (const term of shared.flat()) counts.set(term, (counts.get(term) ?? 0) + 1);
  const scores = shared.map((terms) =>
    terms.reduce((sum, term) => sum + Math.log(1 + sentences.length / (counts.get(term) ?? 1)), 0),
  );
  const best = scores.reduce((high, score) => Math.max(high, score), 0);
  return scores
    .map((score, at) => ({ score, at }))
    .filter(({ score }) => score > 0 && score >= best * 0.6)
    .sort((a, b) => b.score - a.score || a.at - b.at)
    .slice(0, MAX_QUOTES)
    .sort((a, b) => a.at - b.at)
    .map(({ at }) => sentences[at] ?? '');
}

/** Finds the question, the last message's own other sentences, and what the rest of the conversation tells, newest first. */
function readConversation(messages: ChatMessage[]): { question: string; own: string[]; rest: string[] } {
  const last = messages.findLastIndex((message) => message.role === 'user');
  const lastText = messages[last] ? textOf(messages[last]) : '';
  const own = sentencesOf(clip(lastText, MAX_MATERIAL_CHARACTERS));
  const question = own.findLast(isQuestion) ?? own[0] ?? '';
  let room = MAX_MATERIAL_CHARACTERS - Math.min(lastText.length, MAX_MATERIAL_CHARACTERS / 2);
  const rest: string[][] = [];
  for (let at = messages.length - 1; at >= 0 && room > 0; at -= 1) {
    const message = messages[at];
    if (at === last || !message) continue;
    const text = clip(textOf(message), room);
    room -= text.length;
    // Its own earlier answers only quote what stands elsewhere.
    const ours = Object.values(phrases).some(
      ({ found, nothing }) => text.startsWith(found) || text.startsWith(nothing),
    );
    if (!(message.role === 'assistant' && ours)) rest.unshift(sentencesOf(text));
  }
  const tells = (sentence: string) => sentence !== question && !isQuestion(sentence);
  return { question, own: own.filter(tells), rest: rest.flat().filter(tells) };
}

function answer(messages: ChatMessage[]): string {
  const { question: whole, own, rest } = readConversation(messages);
  const question = cut(whole, MAX_QUESTION_CHARACTERS);
  const { found, nothing, asked, configure } = /\p{Script=Hangul}/u.test(question) ? phrases.ko : phrases.en;
  const best = bestSentences(question, [...new Set([...rest, ...own])]);
  // A message that brings its own text ("Summarise this: …") is about that text, whatever words they share.
  const quotes = best.length > 0 ? best : own.slice(0, 2);
  const lines =
    quotes.length > 0
      ? [found, ...quotes.map((quote) => `“${cut(quote, MAX_QUOTE_CHARACTERS)}”`)]
      : [nothing, ...(question ? [`${asked} “${cut(question, MAX_QUOTE_CHARACTERS)}”`] : []), configure];
  return lines.join('\n').toWellFormed();
}

/** This responder's tokens: what stands between white space. Counts 10 MB in a few milliseconds, unlike a regular expression. */
function countTokens(text: string): number {
  let count = 0;
  let inside = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    const space = code === 32 || (code >= 9 && code <= 13) || code === 0xa0 || code === 0x3000;
    if (!space && !inside) count += 1;
    inside = !space;
  }
  return count;
}

const MODELS = [MODEL, PACED];
const ABILITIES = { tools: false, vision: false, embedding: false };

async function* chat(call: ChatCall, pauseMs: number): AsyncGenerator<ChatChunk> {
  const { model, signal, messages } = call;
  signal.throwIfAborted();
  if (!MODELS.includes(model)) {
    const known = MODELS.join(', ');
    throw new TaskError(
      'provider_refused',
      `The built-in responder has no model "${cut(model, 100)}". It has: ${known}.`,
    );
  }
  if (call.response_format && call.response_format.type !== 'text')
    throw new TaskError('provider_refused', 'The built-in responder writes no JSON: it quotes the conversation.');
  const words = answer(messages).match(/\s*\S+/g) ?? [];
  const sent = words.slice(0, call.max_tokens ?? words.length);
  for (const [at, text] of sent.entries()) {
    // An abort while waiting shows below, with its own reason.
    if (model === PACED) await setTimeout(pauseMs, undefined, { signal }).catch(() => {});
    else if (at % CHUNKS_PER_TURN === CHUNKS_PER_TURN - 1) await setImmediate();
    signal.throwIfAborted();
    yield { text };
  }
  yield {
    text: '',
    model,
    finishReason: sent.length < words.length ? 'length' : 'stop',
    usage: {
      inputTokens: messages.reduce((sum, message) => sum + countTokens(textOf(message)), 0),
      outputTokens: sent.length,
    },
  };
}

/** The built-in responder: answers with sentences of the conversation, without key or network. `pauseMs`: before each word of `paced`. */
export function builtinProvider({ pauseMs = PAUSE_MS }: { pauseMs?: number } = {}): Provider {
  return {
    name: 'builtin',
    place: 'not an LLM; run Ollama, or set OPENAI_API_KEY or OPENAI_BASE_URL, for one',
    models: MODELS,
    defaultModel: async () => MODEL,
    note: 'built-in extractive responder: not a language model',
    chat: (call) => chat(call, pauseMs),
    describe: async () => ABILITIES,
    listModels: async () => MODELS.map((name) => ({ name, ...ABILITIES })),
  };
}

export const builtin = defineProvider({
  name: 'builtin',
  variables: z.object({}),
  open: () => builtinProvider(),
});
