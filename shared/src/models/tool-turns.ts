/**
 * Calls of functions in a conversation, as every model takes them: each followed at once by its result, in their order. A
 * conversation that was cut, or in which others spoke meanwhile, is mended.
 */
import type { ChatMessage, ContentPart, ToolCall } from '../provider.ts';

/** Stands for the result of a call that got none. */
const NO_RESULT = '[no result]';
/** Before a result whose call is not there. */
const RESULT = '[result of a function]';

const NO_NAME = 'unknown';
/** What servers take for the name of a function. */
const NOT_IN_NAMES = /[^a-zA-Z0-9_-]/g;
const MAX_NAME = 64;

/** Some servers read the arguments, and refuse what is not an object. */
function asArguments(text: string): string {
  if (text.trim() === '') return '{}';
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return text.toWellFormed();
  } catch {
    // Told as the text that it is.
  }
  return JSON.stringify({ arguments: text.toWellFormed() });
}

/** The calls of one message, each with an id of its own. `given`: the id that its result names. */
function mendedCalls(calls: readonly ToolCall[]): { given: string; call: ToolCall }[] {
  const taken = new Set<string>();
  return calls.map(({ id, function: { name, arguments: text } }, at) => {
    let own = id || `call_${at}`;
    while (taken.has(own)) own += `_${at}`;
    taken.add(own);
    const known = name.replace(NOT_IN_NAMES, '_').slice(0, MAX_NAME) || NO_NAME;
    return {
      given: id,
      call: { id: own, type: 'function', function: { name: known, arguments: asArguments(text) } },
    };
  });
}

type Slot = { call: ToolCall; result?: ChatMessage };

/** A result without its call, as the user's. */
function orphan({ content, earlier }: ChatMessage): ChatMessage {
  const parts: ContentPart[] = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
  return { role: 'user', content: [{ type: 'text', text: RESULT }, ...parts], ...(earlier ? { earlier } : {}) };
}

function nextOpen(slots: Slot[] = []): Slot | undefined {
  for (let slot = slots.pop(); slot; slot = slots.pop()) if (!slot.result) return slot;
  return undefined;
}

/** Which result is which call's: the nearest before it that goes by its id and has none. */
function match(messages: readonly ChatMessage[]) {
  /** The slots of a message with calls. */
  const slots = new Map<ChatMessage, Slot[]>();
  const matched = new Set<ChatMessage>();
  const open = new Map<string, Slot[]>();
  let latest: Slot[] = [];
  for (const message of messages) {
    if (message.role === 'assistant' && message.tool_calls?.length) {
      const mended = mendedCalls(message.tool_calls);
      latest = mended.map(({ call }) => ({ call }));
      slots.set(message, latest);
      // The first of a message lies on top.
      for (const [at, { given }] of [...mended.entries()].reverse()) {
        const slot = latest[at];
        const others = open.get(given);
        if (slot && others) others.push(slot);
        else if (slot) open.set(given, [slot]);
      }
    }
    if (message.role !== 'tool') continue;
    const { tool_call_id: id } = message;
    const slot = id === undefined ? latest.find(({ result }) => !result) : nextOpen(open.get(id));
    if (!slot) continue;
    slot.result = message;
    matched.add(message);
  }
  return { slots, matched };
}

/** The messages with every call and its result together. Neither stands without the other. */
export function withResults(messages: readonly ChatMessage[]): ChatMessage[] {
  if (!messages.some(({ role, tool_calls }) => role === 'tool' || tool_calls)) return [...messages];
  const { slots, matched } = match(messages);
  return messages.flatMap((message): ChatMessage[] => {
    if (message.role === 'tool') return matched.has(message) ? [] : [orphan(message)];
    const { tool_calls: _, tool_call_id: __, ...said } = message;
    const earlier = message.earlier ? { earlier: true as const } : {};
    const called = slots.get(message) ?? [];
    if (called.length === 0) return [said];
    return [
      { ...said, tool_calls: called.map(({ call }) => call) },
      ...called.map(({ call, result }): ChatMessage => {
        const content = result?.content ?? NO_RESULT;
        return { role: 'tool', content, tool_call_id: call.id, ...earlier };
      }),
    ];
  });
}

/** Calls and results in words, for a model that takes neither; undefined when there are none. */
export function inWords(messages: readonly ChatMessage[]): ChatMessage[] | undefined {
  if (!messages.some(({ role, tool_calls }) => role === 'tool' || tool_calls?.length)) return undefined;
  return withResults(messages).map((message) => {
    if (message.role === 'tool') return orphan(message);
    const { tool_calls: calls, ...said } = message;
    if (!calls) return said;
    const words = calls.map((call) => `[calls ${call.function.name} ${call.function.arguments}]`).join('\n');
    const content =
      typeof said.content === 'string'
        ? `${said.content}\n${words}`.trim()
        : [...said.content, { type: 'text' as const, text: words }];
    return { ...said, content };
  });
}
