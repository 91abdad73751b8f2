/** What tools that are a prompt share: a model's answer, said piece by piece. */
import type { ChatMessage } from '../../provider.ts';
import { cutMiddle } from '../text/cut-middle.ts';
import { FENCE_RULE, fenced } from '../text/fenced.ts';
import type { ToolContext, ToolOutcome } from '../tool.ts';

/** Of each earlier result a model is shown so much. */
const MAX_RESULT_BYTES = 16_000;

/** What was found before, as a message; none when nothing was. */
export function foundSoFar(results: readonly ToolOutcome[]): ChatMessage[] {
  if (results.length === 0) return [];
  const found = results.map(({ tool, result }) => {
    const text = typeof result === 'string' ? result : JSON.stringify(result);
    return fenced(`tool ${tool}`, cutMiddle(text, MAX_RESULT_BYTES).text);
  });
  return [{ role: 'system', content: [FENCE_RULE, 'What was found for the request:', ...found].join('\n\n') }];
}

/** Says what the model answers; gives the whole of it, and who answered. */
export async function answer({ llm, model, settings, text }: ToolContext, messages: ChatMessage[]) {
  let content = '';
  for await (const chunk of llm.chat({ ...settings, model, messages })) {
    content += chunk.text;
    if (chunk.text !== '') await text(chunk.text);
  }
  return { content, model: llm.outcome().model };
}
