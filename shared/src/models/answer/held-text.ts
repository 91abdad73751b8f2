/** Marks in a text that comes in pieces. */

/** How much of a text's end may be the beginning of a mark that is not there yet. */
export function maybeBegun(text: string, mark: string): number {
  for (let length = Math.min(text.length, mark.length - 1); length > 0; length -= 1)
    if (text.endsWith(mark.slice(0, length))) return length;
  return 0;
}
