/**
 * Calls of functions that a model writes as text, because its server does not read them: `<tool_call>` and JSON as Hermes and Qwen
 * do, or an answer that is nothing but such JSON. Only of functions that it was offered; all else stays text.
 */
import type { ChatChunk, ChatTool, ToolCallPiece } from '../../provider.ts';
import { makeCallId, reasonWithCalls } from '../providers/tool-calls.ts';
import { maybeBegun } from './held-text.ts';

const OPENING = '<tool_call>';
const CLOSING = '</tool_call>';
/** A longer text is no call. */
const MAX_HELD = 256 * 1024;
/** The first fields of what may be a call. */
const KEYS = ['"name"', '"arguments"', '"parameters"', '"function"', '"type"', '"id"'];

type Called = { name: string; text: string };
type Json = Record<string, unknown>;

const asObject = (value: unknown): Json | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The calls that a text is, when it is nothing else. `isMarked`: it stood between tags; else it must have arguments to be one. */
function callsIn(text: string, names: ReadonlySet<string>, isMarked: boolean): Called[] | undefined {
  const bare = text.trim().replace(/^```[a-z_]*\s*([\s\S]*?)\s*```$/i, '$1');
  const value = parse(bare);
  const entries = (Array.isArray(value) ? value : [value]).map(asObject);
  const calls = entries.flatMap((entry): Called[] => {
    const inner = asObject(entry?.function) ?? entry;
    const name = inner?.name ?? entry?.function;
    const given = inner?.arguments ?? inner?.parameters ?? (isMarked ? {} : undefined);
    const object = asObject(given) ?? (typeof given === 'string' ? asObject(parse(given)) : undefined);
    return typeof name === 'string' && names.has(name) && object ? [{ name, text: JSON.stringify(object) }] : [];
  });
  return calls.length > 0 && calls.length === entries.length ? calls : undefined;
}

/** Whether a text so far may become nothing but a call. */
function mayBeCall(text: string): boolean {
  const begun = text.trimStart();
  if ('```'.startsWith(begun)) return true;
  const fenced = /^```(?:json|tool_call|tool_code)?(?:\s+|$)/i.exec(begun);
  if (begun.startsWith('```') && !fenced) return /^```[a-z_]*$/i.test(begun) && begun.length < 20;
  const body = begun.slice(fenced?.[0].length ?? 0);
  const first = /^\[?\s*\{?\s*/.exec(body)?.[0] ?? '';
  const key = body.slice(first.length);
  if (body === '') return true;
  if (first === '') return false;
  return KEYS.some((one) => one.startsWith(key) || key.startsWith(one));
}

/** Reads the text of one answer, piece by piece. */
function writtenCallReader(names: ReadonlySet<string>) {
  let state: 'before' | 'text' | 'call' = 'before';
  let pending = '';
  let hasCalled = false;
  const none = (): { text: string; calls: Called[] } => ({ text: '', calls: [] });

  /** As much as can be told of what is pending; all of it at the end. */
  function read(isOver: boolean): ReturnType<typeof none> {
    const told = none();
    for (;;) {
      if (state === 'before') {
        if (!isOver && pending.length < MAX_HELD && mayBeCall(pending)) return told;
        const calls = isOver ? callsIn(pending, names, false) : undefined;
        if (calls) {
          pending = '';
          told.calls.push(...calls);
          return told;
        }
        state = 'text';
      }
      if (state === 'text') {
        const at = pending.indexOf(OPENING);
        const length = at !== -1 ? at : pending.length - (isOver ? 0 : maybeBegun(pending, OPENING));
        const text = pending.slice(0, length);
        // What stands between calls is no answer.
        if (!hasCalled || text.trim() !== '') told.text += text;
        pending = pending.slice(length);
        if (at === -1) return told;
        state = 'call';
      }
      const end = pending.indexOf(CLOSING);
      if (end === -1 && !isOver && pending.length < MAX_HELD) return told;
      const whole = end === -1 ? pending : pending.slice(0, end + CLOSING.length);
      const inner = whole.slice(OPENING.length, end === -1 ? undefined : end);
      const calls = callsIn(inner, names, true);
      if (calls) {
        hasCalled = true;
        told.calls.push(...calls);
      } else told.text += whole;
      pending = pending.slice(whole.length);
      state = 'text';
      if (pending === '') return told;
    }
  }
  return {
    take(text: string) {
      pending += text;
      return read(false);
    },
    end: () => read(true),
  };
}

/** The chunks of an answer, calls in its text as calls. Those that a server has read are left as they are. */
export async function* withWrittenCalls(
  chunks: AsyncIterable<ChatChunk>,
  tools: readonly ChatTool[],
): AsyncGenerator<ChatChunk> {
  const reader = writtenCallReader(new Set(tools.map((tool) => tool.function.name)));
  let count = 0;
  let isOver = false;
  let hasWritten = false;
  const piecesOf = (calls: Called[]): ToolCallPiece[] => {
    hasWritten ||= calls.length > 0;
    return calls.map(({ name, text }) => ({ index: count++, id: makeCallId(), name, arguments: text }));
  };
  const more = (pieces: ToolCallPiece[]) => (pieces.length > 0 ? { toolCalls: pieces } : {});

  for await (const chunk of chunks) {
    const told = reader.take(chunk.text);
    if (chunk.finishReason !== undefined && !isOver) {
      isOver = true;
      const rest = reader.end();
      told.text += rest.text;
      told.calls.push(...rest.calls);
    }
    for (const { index } of chunk.toolCalls ?? []) count = Math.max(count, index + 1);
    const pieces = [...(chunk.toolCalls ?? []), ...piecesOf(told.calls)];
    const finishReason =
      chunk.finishReason !== undefined && count > 0 ? reasonWithCalls(chunk.finishReason) : undefined;
    yield { ...chunk, text: told.text, ...more(pieces), ...(finishReason === undefined ? {} : { finishReason }) };
  }
  const rest = reader.end();
  const pieces = piecesOf(rest.calls);
  // A server that says nothing of the end has read no call either.
  const end = !isOver && hasWritten ? { finishReason: 'tool_calls' } : {};
  if (rest.text !== '' || pieces.length > 0 || 'finishReason' in end)
    yield { text: rest.text, ...more(pieces), ...end };
}
