/** The form in which every model takes a conversation, and conversations made at random. */
import assert from 'node:assert/strict';
import type { ContentPart } from '../../provider.ts';

type Sent = { role: string; content: string | ContentPart[] };

/** Fails unless a model is sent one system message, first, then user and assistant in turns, and none of them is empty. */
export function assertForm(sent: Sent[]): void {
  const told = JSON.stringify(sent);
  assert.ok(
    sent.slice(1).every(({ role }) => role !== 'system'),
    told,
  );
  const turns = sent.filter(({ role }) => role !== 'system').map(({ role }) => role);
  assert.deepEqual(
    turns,
    turns.map((_, at) => (at % 2 === 0 ? 'user' : 'assistant')),
  );
  assert.equal(turns.length % 2, 1, told);
  for (const { content } of sent) {
    assert.ok(content.length > 0, told);
    const texts =
      typeof content === 'string' ? [content] : content.flatMap((part) => (part.type === 'text' ? [part.text] : []));
    for (const text of texts) assert.ok(text.trim() !== '' && text.isWellFormed(), told);
  }
}

/** A sequence of numbers below 1 that is the same for the same seed, and a choice by it. */
export function choices(seed: number) {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return { next, pick: <T>(from: readonly T[]) => from[Math.floor(next() * from.length)] as T };
}
