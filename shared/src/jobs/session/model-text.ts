/** What job types make of a model's text. */

/** Whether a language model answered: what is none has a note that says so. */
export const isModel = ({ note }: { note?: string }) => note === undefined;

/** Without what it thought aloud, also when it was cut off while thinking. */
export const withoutThoughts = (text: string) => text.replace(/<think>[\s\S]*?(<\/think>|$)/g, '').trim();

/** At most so many letters, none of them halved; what is cut off shows. */
export function cut(text: string, max: number): string {
  const letters = [...text.slice(0, 2 * max + 2)];
  return letters.length > max ? `${letters.slice(0, max - 1).join('')}…` : text;
}
