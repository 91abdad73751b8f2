/** What Ollama answers: a line of JSON for each piece. */
import { TaskError } from '../../../errors.ts';
import type { ChatChunk } from '../../../provider.ts';
import { type AnswerReader, MAX_EVENT_CHARACTERS, type Take } from '../http-answer.ts';
import { asObject, asText, type Json, parseObject } from '../json.ts';
import { reasonWithCalls, toolCallReader } from '../tool-calls.ts';

/** Reads the events of one answer as chunks. */
export function ollamaReader(): AnswerReader {
  const calls = toolCallReader();
  /** Ollama leaves out counts that it does not know. Only both together count: half a usage would be a wrong one. */
  function chunkOf(event: Json): ChatChunk {
    const message = asObject(event.message);
    const chunk: ChatChunk = { text: asText(message?.content) ?? '' };
    const reasoning = asText(message?.thinking);
    if (reasoning) chunk.reasoning = reasoning;
    const toolCalls = calls.take(message?.tool_calls);
    const model = asText(event.model);
    if (model) chunk.model = model;
    if (event.done === true) {
      toolCalls.push(...calls.end());
      const reason = asText(event.done_reason) || 'stop';
      chunk.finishReason = calls.hasCalls() ? reasonWithCalls(reason) : reason;
      const { prompt_eval_count: inputTokens, eval_count: outputTokens } = event;
      if (typeof inputTokens === 'number' && typeof outputTokens === 'number')
        chunk.usage = { inputTokens, outputTokens };
    }
    if (toolCalls.length > 0) chunk.toolCalls = toolCalls;
    return chunk;
  }
  return { chunkOf, calls };
}

/** The lines of an answer, each an object; empty ones give none. It is over with `done`. */
export function lineEvents(name: string): Take {
  /** A line whose end has not come, in pieces: joining each time would cost the square of its length. */
  let begun: string[] = [];
  let length = 0;
  return (text, last) => {
    const [first = '', ...more] = (last ? `${text}\n` : text).split('\n');
    begun.push(first);
    length += first.length;
    if (length > MAX_EVENT_CHARACTERS)
      throw new TaskError('output_too_large', `${name} sent a line that is larger than allowed.`);
    if (more.length === 0) return { events: [], over: false };
    const lines = [begun.join(''), ...more.slice(0, -1)];
    begun = more.slice(-1);
    length = begun[0]?.length ?? 0;
    const events = lines.filter((line) => line.trim() !== '').map(parseObject);
    const end = events.findIndex((event) => event?.done === true);
    return { events: end === -1 ? events : events.slice(0, end + 1), over: end !== -1 };
  };
}
