/** What a model thinks aloud at the beginning of its answer, between tags, told apart from what it answers. */
import type { ChatChunk } from '../../provider.ts';
import { maybeBegun } from './held-text.ts';

const TAGS = ['<think>', '<thinking>', '<thought>', '<reasoning>'];
const MAX_TAG = Math.max(...TAGS.map((tag) => tag.length));
/** Ends at which there was no room for the end of the thoughts. */
const FULL = /length|max_?tokens/i;

/** What a piece of text comes to. */
type Told = { text: string; reasoning: string };

/**
 * Takes the text of one answer, piece by piece. `end`: the reason of its end, when it is over; thoughts that were never ended are
 * then its text after all, as it was given, unless there was no room.
 */
function thoughtReader() {
  let state: 'before' | 'thinking' | 'after' | 'answering' = 'before';
  let pending = '';
  let tag = '';
  let thought = '';

  function before(): Told {
    const begun = pending.trimStart();
    const found = TAGS.find((one) => begun.slice(0, MAX_TAG).toLowerCase().startsWith(one));
    if (found) {
      state = 'thinking';
      tag = begun.slice(0, found.length);
      pending = begun.slice(found.length);
      return thinking();
    }
    const mayCome = begun.length < MAX_TAG && TAGS.some((one) => one.startsWith(begun.toLowerCase()));
    if (mayCome) return { text: '', reasoning: '' };
    state = 'answering';
    return { text: take(), reasoning: '' };
  }

  function thinking(): Told {
    const closing = tag.toLowerCase().replace('<', '</');
    const at = pending.toLowerCase().indexOf(closing);
    const length = at === -1 ? pending.length - maybeBegun(pending.toLowerCase(), closing) : at;
    const reasoning = pending.slice(0, length);
    thought += reasoning;
    if (at === -1) {
      pending = pending.slice(length);
      return { text: '', reasoning };
    }
    pending = pending.slice(at + closing.length);
    state = 'after';
    return { text: after().text, reasoning };
  }

  /** White space between thoughts and answer belongs to neither. */
  function after(): Told {
    pending = pending.trimStart();
    if (pending === '') return { text: '', reasoning: '' };
    state = 'answering';
    return { text: take(), reasoning: '' };
  }

  function take(): string {
    const text = pending;
    pending = '';
    return text;
  }

  return {
    take(text: string): Told {
      if (state === 'answering') return { text, reasoning: '' };
      pending += text;
      if (state === 'before') return before();
      return state === 'thinking' ? thinking() : after();
    },
    end(reason: string | undefined): Told {
      if (state === 'before') return { text: take(), reasoning: '' };
      if (state !== 'thinking') return { text: '', reasoning: '' };
      const rest = take();
      thought += rest;
      const text = FULL.test(reason ?? '') ? '' : tag + thought;
      return { text, reasoning: rest };
    },
  };
}

/** The chunks of an answer, thoughts at its beginning as reasoning. */
export async function* withoutThoughts(chunks: AsyncIterable<ChatChunk>): AsyncGenerator<ChatChunk> {
  const reader = thoughtReader();
  let isOver = false;
  for await (const chunk of chunks) {
    const told = reader.take(chunk.text);
    if (chunk.finishReason !== undefined && !isOver) {
      isOver = true;
      const rest = reader.end(chunk.finishReason);
      told.text += rest.text;
      told.reasoning += rest.reasoning;
    }
    const reasoning = (chunk.reasoning ?? '') + told.reasoning;
    yield { ...chunk, text: told.text, ...(reasoning === '' ? {} : { reasoning }) };
  }
  const { text, reasoning } = isOver ? { text: '', reasoning: '' } : reader.end(undefined);
  if (text !== '' || reasoning !== '') yield { text, ...(reasoning === '' ? {} : { reasoning }) };
}
