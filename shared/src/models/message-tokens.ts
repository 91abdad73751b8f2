/** What messages cost a model, in tokens, and the cutting of one that costs too much. */
import type { ChatMessage } from '../provider.ts';
import { countTokens, fittingLength } from './tokens.ts';

/** What a message costs beside its text, and what a picture costs, whatever it shows. */
export const MESSAGE_TOKENS = 4;
const IMAGE_TOKENS = 1_000;
/** Stands for what was left out; the few tokens of it, and fewer than these are not worth showing. */
const CUT = '\n[… left out …]\n';
const CUT_TOKENS = 10;
const MIN_TOKENS = 50;

/** Beyond `limit` only that it costs more. */
export async function costOf({ content, tool_calls: calls = [] }: ChatMessage, limit: number): Promise<number> {
  let cost = MESSAGE_TOKENS;
  for (const { function: called } of calls)
    cost += MESSAGE_TOKENS + (await countTokens(`${called.name}${called.arguments}`, limit));
  if (typeof content === 'string') return cost + (await countTokens(content, limit));
  for (const part of content) cost += part.type === 'text' ? await countTokens(part.text, limit) : IMAGE_TOKENS;
  return cost;
}

/** The beginning and the end of a message that does not fit, without its pictures and calls; null when that is not worth showing. */
export async function cutMessage({ role, content }: ChatMessage, limit: number): Promise<ChatMessage | null> {
  const budget = limit - MESSAGE_TOKENS - CUT_TOKENS;
  if (budget < MIN_TOKENS) return null;
  const text =
    typeof content === 'string'
      ? content
      : content.map((part) => (part.type === 'text' ? part.text : '[a picture, left out]')).join('\n');
  if ((await countTokens(text, budget)) <= budget) return { role, content: text };
  const head = await fittingLength(text, budget / 2, 'start');
  const tail = Math.min(await fittingLength(text, budget / 2, 'end'), text.length - head);
  return { role, content: `${text.slice(0, head)}${CUT}${text.slice(text.length - tail)}` };
}
