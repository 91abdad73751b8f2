/** The answer of a model to one call, shown to readers as it comes. */
import type { JobType } from '../../job-type.ts';
import type { ChatOutput } from './chat-output.ts';

type Context = Parameters<JobType['run']>[1];
type Call = Parameters<Context['llm']['chat']>[0];

/** Pieces of arguments are shown joined to at least so many letters: models give them a few at a time. */
const MIN_PIECE = 64;

/** Shows calls as they come. `end`: no more do. */
function showCalls(emit: Context['emit']) {
  let held: { index: number; arguments: string } | undefined;
  async function end() {
    if (held) await emit('tool_call', held);
    held = undefined;
  }
  return {
    end,
    async add({ id, name, ...piece }: { index: number; id?: string; name?: string; arguments: string }) {
      if (held && held.index !== piece.index) await end();
      if (id !== undefined) return emit('tool_call', { ...piece, id, ...(name === undefined ? {} : { name }) });
      held = { index: piece.index, arguments: (held?.arguments ?? '') + piece.arguments };
      if (held.arguments.length >= MIN_PIECE) await end();
    },
  };
}

/** Gives its text. */
export async function streamAnswer({ llm, emit }: Pick<Context, 'llm' | 'emit'>, call: Call): Promise<string> {
  let content = '';
  const shown = showCalls(emit);
  for await (const { text, reasoning, toolCalls = [] } of llm.chat(call)) {
    if (reasoning) await emit('reasoning', { content: reasoning });
    content += text;
    await emit.text(text);
    for (const piece of toolCalls) await shown.add(piece);
  }
  await shown.end();
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
