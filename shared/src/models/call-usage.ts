/** The tokens of model calls: as their backends report them, else about as many as their texts make. */
import type { ChatCall, ChatMessage, ToolCall, Usage } from '../provider.ts';

/** One call as far as it has come: what was sent, what was said, and what the backend reported of it. */
export type CallSoFar = {
  sent: Pick<ChatCall, 'messages' | 'tools'>;
  text: string;
  reasoning: string;
  calls: ToolCall[];
  reported: Usage | undefined;
};

export const newCall = (sent: CallSoFar['sent']): CallSoFar => ({
  ...{ sent, text: '', reasoning: '', calls: [], reported: undefined },
});

/** About four characters of Latin text, or one of Hangul and Han, make a token. */
export function estimateTokens(text: string): number {
  const wide = text.match(/[\u1100-\u11ff\u3040-\u9fff\uac00-\ud7af]/g)?.length ?? 0;
  return Math.ceil(wide + (text.length - wide) / 4);
}

const callText = ({ function: { name, arguments: given } }: ToolCall) => `${name}${given}`;

/** About the tokens of a message. */
export const estimateMessage = (message: ChatMessage): number => estimateTokens(messageText(message));

/** What of a message costs tokens. */
const messageText = ({ content, tool_calls: calls = [] }: ChatMessage) => {
  const text =
    typeof content === 'string' ? content : content.map((part) => (part.type === 'text' ? part.text : '')).join('');
  return text + calls.map(callText).join('');
};

function estimate({ sent, text, reasoning, calls }: CallSoFar): Usage {
  const tools = sent.tools?.length ? [JSON.stringify(sent.tools)] : [];
  return {
    inputTokens: estimateTokens([...sent.messages.map(messageText), ...tools].join('\n')),
    outputTokens: estimateTokens(reasoning + text + calls.map(callText).join('')),
  };
}

/** Redis sums whole numbers; what else a backend reports is no count. */
const isCount = (tokens: number | undefined) => tokens !== undefined && Number.isSafeInteger(tokens) && tokens >= 0;

const countOf = (name: 'cachedTokens' | 'reasoningTokens', after: Usage, before: Usage | undefined) => {
  const tokens = (isCount(after[name]) && after[name]) || before?.[name];
  return tokens === undefined ? {} : { [name]: tokens };
};

/** Counts as they are told: cumulative, each time anew. A later zero takes back nothing that was counted. */
export function merged(before: Usage | undefined, after: Usage): Usage | undefined {
  const { inputTokens, outputTokens } = after;
  if (!isCount(inputTokens) || !isCount(outputTokens)) return before;
  return {
    inputTokens: inputTokens || (before?.inputTokens ?? 0),
    outputTokens: outputTokens || (before?.outputTokens ?? 0),
    ...countOf('cachedTokens', after, before),
    ...countOf('reasoningTokens', after, before),
  };
}

export type Used = Usage & { estimated: boolean };

/** Of counts that backends may not tell: absent when neither has it. */
const sumOf = (name: 'cachedTokens' | 'reasoningTokens', a: Usage, b: Usage) =>
  a[name] === undefined && b[name] === undefined ? {} : { [name]: (a[name] ?? 0) + (b[name] ?? 0) };

/** The tokens of both; undefined when there are none. */
export function addUsed(a: Used | undefined, b: Used | undefined): Used | undefined {
  if (!a || !b) return a ?? b;
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    ...sumOf('cachedTokens', a, b),
    ...sumOf('reasoningTokens', a, b),
    estimated: a.estimated || b.estimated,
  };
}

const NOTHING: Used = { inputTokens: 0, outputTokens: 0, estimated: false };

/** Tokens of all calls, those that were cut short included; `estimated` where a backend reported none. */
export const usageOf = (calls: readonly CallSoFar[]): Used =>
  calls
    .map((call) => ({ ...(call.reported ?? estimate(call)), estimated: call.reported === undefined }))
    .reduce((sum, used) => addUsed(sum, used) ?? sum, NOTHING);
