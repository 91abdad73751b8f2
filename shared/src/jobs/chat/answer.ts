/** The answer of a model to one call, shown to readers as it comes. */
import type { JobType } from '../../job-type.ts';
import type { ChatOutput } from './chat-output.ts';

type Context = Parameters<JobType['run']>[1];
type Call = Parameters<Context['llm']['chat']>[0];

/** Gives its text. */
export async function streamAnswer({ llm, emit }: Pick<Context, 'llm' | 'emit'>, call: Call): Promise<string> {
  let content = '';
  for await (const { text, reasoning, toolCalls = [] } of llm.chat(call)) {
    if (reasoning) await emit('reasoning', { content: reasoning });
    content += text;
    await emit.text(text);
    for (const piece of toolCalls) await emit('tool_call', piece);
  }
  await emit('text_done', { total_length: content.length });
  return content;
}

/** Shows an answer that was given before. */
export async function showAnswer(emit: Context['emit'], answer: ChatOutput): Promise<void> {
  const { content, tool_calls = [], reasoning } = answer;
  if (reasoning) await emit('reasoning', { content: reasoning });
  await emit.text(content);
  for (const [index, { id, function: called }] of tool_calls.entries())
    await emit('tool_call', { index, id, ...called });
  await emit('text_done', { total_length: content.length });
}
