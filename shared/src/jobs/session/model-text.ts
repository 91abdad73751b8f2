/** What job types make of a model's text. */

/** Whether a language model answered: the built-in responder only quotes. */
export const isModel = ({ provider }: { provider: string }) => provider !== 'builtin';

/** Without what it thought aloud, also when it was cut off while thinking. */
export const withoutThoughts = (text: string) => text.replace(/<think>[\s\S]*?(<\/think>|$)/g, '').trim();

/** At most so many letters, none of them halved; what is cut off shows. */
export function cut(text: string, max: number): string {
  const letters = [...text.slice(0, 2 * max + 2)];
  return letters.length > max ? `${letters.slice(0, max - 1).join('')}…` : text;
}
