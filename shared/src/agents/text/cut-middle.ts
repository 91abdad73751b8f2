/** Shortens what is too long, in its middle: the beginning and the end say what it is. */

const isInsideCharacter = (byte: number | undefined) => byte !== undefined && (byte & 0b1100_0000) === 0b1000_0000;

/** At most so many bytes of UTF-8, with a note of what is missing; no character is halved. */
export function cutMiddle(text: string, maxBytes: number): { text: string; isCut: boolean } {
  if (3 * text.length <= maxBytes) return { text, isCut: false };
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return { text, isCut: false };
  const noteOf = (missing: number) => `\n[… ${missing} bytes left out …]\n`;
  const kept = Math.max(0, maxBytes - Buffer.byteLength(noteOf(bytes.length)));
  let head = Math.ceil(kept / 2);
  let tail = bytes.length - Math.floor(kept / 2);
  while (head > 0 && isInsideCharacter(bytes[head])) head--;
  while (tail < bytes.length && isInsideCharacter(bytes[tail])) tail++;
  return { text: `${bytes.subarray(0, head)}${noteOf(tail - head)}${bytes.subarray(tail)}`, isCut: true };
}
