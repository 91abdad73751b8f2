/** The chunks of an answer as callers get them, whatever the model put where. */
import type { ChatCall, ChatChunk } from '../../provider.ts';
import { withoutThoughts } from './thoughts.ts';
import { withWrittenCalls } from './written-calls.ts';

/** Only the first call: models do not always keep to it. */
async function* withOneCall(chunks: AsyncIterable<ChatChunk>): AsyncGenerator<ChatChunk> {
  for await (const { toolCalls, ...chunk } of chunks) {
    const first = toolCalls?.filter(({ index }) => index === 0) ?? [];
    yield first.length > 0 ? { ...chunk, toolCalls: first } : chunk;
  }
}

export function toldChunks(
  chunks: AsyncIterable<ChatChunk>,
  { tools = [], tool_choice, parallel_tool_calls }: Pick<ChatCall, 'tools' | 'tool_choice' | 'parallel_tool_calls'>,
): AsyncIterable<ChatChunk> {
  const spoken = withoutThoughts(chunks);
  const called = tools.length > 0 && tool_choice !== 'none' ? withWrittenCalls(spoken, tools) : spoken;
  return parallel_tool_calls === false ? withOneCall(called) : called;
}
