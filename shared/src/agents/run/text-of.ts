/** What is shown of a result. */
import { cutMiddle } from '../text/cut-middle.ts';

/** What a tool's result may take, as text, for the model and for readers. */
const MAX_RESULT_BYTES = 16_384;

/** The text of a result: a text itself, the one that the tool has written, the only value there is, or the result as JSON. */
export function textOfResult(result: unknown): string {
  if (typeof result === 'string') return result;
  if (typeof result === 'object' && result !== null) {
    for (const name of ['content', 'answer', 'text', 'result']) {
      const value = Reflect.get(result, name);
      if (typeof value === 'string') return value;
    }
    const [only, ...others] = Object.values(result);
    if (others.length === 0 && ['string', 'number', 'boolean'].includes(typeof only)) return String(only);
  }
  return JSON.stringify(result) ?? 'null';
}

/** A result as it is shown: itself, or its text cut in the middle when it is too large. */
export function shownResult(result: unknown): unknown {
  const json = JSON.stringify(result) ?? 'null';
  const { text, isCut } = cutMiddle(typeof result === 'string' ? result : json, MAX_RESULT_BYTES);
  return isCut ? text : (result ?? null);
}
