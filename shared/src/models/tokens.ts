/**
 * Counts tokens as current OpenAI models do (o200k_base), loaded when it is first needed: it costs 60 MB, which only those
 * who ask pay. The tokenizer is quadratic in the length of a run without breaks, so it gets short pieces; a word that is cut
 * by a piece's end may count one token more, which is about 1 % of ordinary text.
 */
import { setImmediate } from 'node:timers/promises';

/** Characters of a piece. The 4,000 tokens of a context then cost about 10 ms, whatever the text. */
const PIECE = 256;
/** After so many pieces others get their turn. */
const PIECES_PER_TURN = 32;
/** What ends a model's input when it stands in it is text like any other here. */
const PLAIN = { disallowedSpecial: new Set<string>() };

/** How many tokens a text has; beyond `limit` only that it has more. */
export async function countTokens(text: string, limit: number): Promise<number> {
  const tokenizer = await import('gpt-tokenizer/encoding/o200k_base');
  let count = 0;
  let pieces = 0;
  for (let at = 0; at < text.length && count <= limit; ) {
    let end = at + PIECE;
    // Not between the two halves of a letter.
    if (end < text.length && text.charCodeAt(end) >= 0xdc00 && text.charCodeAt(end) <= 0xdfff) end -= 1;
    count += tokenizer.countTokens(text.slice(at, end), PLAIN);
    at = end;
    if (++pieces % PIECES_PER_TURN === 0) await setImmediate();
  }
  return count;
}

/** How many letters from the start, or at the end, of a text have at most `budget` tokens: nearly the most that do. */
export async function fittingLength(text: string, budget: number, from: 'start' | 'end'): Promise<number> {
  let taken = 0;
  let left = budget;
  for (let size = PIECE; size > 0; ) {
    const piece = from === 'start' ? text.slice(taken, taken + size) : text.slice(-taken - size, text.length - taken);
    const cost = await countTokens(piece, left);
    if (piece !== '' && cost <= left) {
      taken += piece.length;
      left -= cost;
    } else size = Math.floor(size / 2);
  }
  const edge = from === 'start' ? taken : text.length - taken;
  const isSplit = edge > 0 && edge < text.length && text.charCodeAt(edge) >= 0xdc00 && text.charCodeAt(edge) <= 0xdfff;
  return isSplit ? taken - 1 : taken;
}
