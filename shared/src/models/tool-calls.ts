/** Calls of functions, put together from the pieces of an answer. */
import type { ToolCall, ToolCallPiece } from '../provider.ts';

/** Adds the pieces of a chunk to the calls of its answer. */
export function addToolCalls(calls: ToolCall[], pieces: readonly ToolCallPiece[] = []): void {
  for (const { index, id, name, arguments: text } of pieces) {
    const call = calls[index];
    if (call) call.function.arguments += text;
    else calls[index] = { id: id ?? '', type: 'function', function: { name: name ?? '', arguments: text } };
  }
}
