/** JSON that a server sent, in which anything may be anything. */
import type { Readable } from 'node:stream';

const MAX_LIST_CHARACTERS = 8 * 1024 * 1024;

export type Json = Record<string, unknown>;
export const asObject = (value: unknown): Json | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
export const asText = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** What a text is in JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The SyntaxError quotes the provider's text, so it must not travel on as a cause.
    return undefined;
  }
}

/** The object that a text is in JSON. */
export const parseObject = (text: string): Json | undefined => asObject(parseJson(text));

/** The text of a body that is not a stream, as far as about `limit` characters. */
export async function readText(body: Readable, limit = MAX_LIST_CHARACTERS): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of body) {
    text += decoder.decode(bytes, { stream: true });
    if (text.length > limit) break;
  }
  return text;
}
