/** Texts of what is shown: of a message, of a result. */
import type { ChatMessage } from '../../provider.ts';
import { cutMiddle } from '../text/cut-middle.ts';

/** What a tool's result may take, as text, for the model and for readers. */
const MAX_RESULT_BYTES = 16_384;

export const textOfMessage = ({ content }: ChatMessage): string =>
  typeof content === 'string'
    ? content
    : content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');

/** The text of a result: a text itself, or the one that the tool has written, or the result as JSON. */
export function textOfResult(result: unknown): string {
  if (typeof result === 'string') return result;
  if (typeof result === 'object' && result !== null) {
    for (const name of ['content', 'answer', 'text', 'result']) {
      const value = Reflect.get(result, name);
      if (typeof value === 'string') return value;
    }
  }
  return JSON.stringify(result) ?? 'null';
}

/** A result as it is shown: itself, or its text cut in the middle when it is too large. */
export function shownResult(result: unknown): unknown {
  const json = JSON.stringify(result) ?? 'null';
  const { text, isCut } = cutMiddle(typeof result === 'string' ? result : json, MAX_RESULT_BYTES);
  return isCut ? text : (result ?? null);
}
