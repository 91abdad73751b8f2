/** The form in which every model takes a conversation, and conversations made at random. */
import assert from 'node:assert/strict';
import type { ContentPart, ToolCall } from '../../provider.ts';

type Sent = {
  role: string;
  content: string | ContentPart[] | null;
  tool_calls?: ToolCall[] | undefined;
  tool_call_id?: string | undefined;
};

/** Each call has an id of its own, a name, an object of arguments, and at once its result. */
function assertCalls(sent: Sent[], told: string): void {
  for (const [at, { role, tool_calls: calls, tool_call_id: id }] of sent.entries()) {
    assert.equal(role === 'tool', id !== undefined, told);
    if (role === 'tool') assert.ok(['tool', 'assistant'].includes(sent[at - 1]?.role ?? ''), told);
    if (!calls) continue;
    assert.ok(role === 'assistant' && calls.length > 0, told);
    assert.equal(new Set(calls.map((call) => call.id)).size, calls.length, told);
    for (const { function: called } of calls) {
      assert.match(called.name, /^[\w-]{1,64}$/);
      assert.equal(Object.prototype.toString.call(JSON.parse(called.arguments)), '[object Object]', told);
    }
    const results = sent.slice(at + 1, at + 1 + calls.length);
    assert.deepEqual(
      results.map((result) => result.tool_call_id),
      calls.map((call) => call.id),
      told,
    );
    assert.notEqual(sent[at + 1 + calls.length]?.role, 'tool', told);
  }
}

/**
 * Fails unless a model is sent one system message, first, then user and assistant in turns, calls of functions with their
 * results, and none of them is empty.
 */
export function assertForm(sent: Sent[]): void {
  const told = JSON.stringify(sent);
  assert.ok(
    sent.slice(1).every(({ role }) => role !== 'system'),
    told,
  );
  // Results are to the model what a user's message is.
  const turns = sent
    .filter(({ role }, at) => role !== 'system' && !(role === 'tool' && sent[at - 1]?.role === 'tool'))
    .map(({ role }) => (role === 'tool' ? 'user' : role));
  assert.deepEqual(
    turns,
    turns.map((_, at) => (at % 2 === 0 ? 'user' : 'assistant')),
    told,
  );
  assert.equal(turns.length % 2, 1, told);
  assertCalls(sent, told);
  for (const { content, tool_calls: calls } of sent) {
    if (calls && (content === null || content === '')) continue;
    assert.ok(content && content.length > 0, told);
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
