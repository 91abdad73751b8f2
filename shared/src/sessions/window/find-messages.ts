/**
 * Finds what was said in an owner's sessions, for a model: by the phrase as it stands, and when nobody said that, by its words, the
 * messages with most of them first.
 */
import type { OwnerLines } from '../../owners/lines.ts';
import type { Message } from '../../session.ts';
import type { Store } from '../../store.ts';

/** A message that was found, around what it was found by. */
export type FoundMessage = { session_id: string; title: string | null; role: string; text: string; created_at: string };

const MAX_WORDS = 6;
const MIN_WORD_LENGTH = 2;
/** Of each word so many messages are looked at, the newest. */
const MAX_MATCHES = 200;
const EXCERPT_CHARS = 600;
/** Behind an id, before the next one. */
const BEHIND = '~';

type Place = { sessionId: string; id: string };

/** The longest words first: they say most. */
function wordsOf(phrase: string): string[] {
  const words = phrase.split(/[\s.,;:!?"'()[\]{}]+/).filter(({ length }) => length >= MIN_WORD_LENGTH);
  return [...new Set(words)].sort((a, b) => b.length - a.length).slice(0, MAX_WORDS);
}

function excerpt({ text }: Message, found: string[]): string {
  const lower = text.toLowerCase();
  const places = found.map((word) => lower.indexOf(word.toLowerCase())).filter((at) => at >= 0);
  const from = Math.max(0, Math.min(...places, text.length) - EXCERPT_CHARS / 4);
  const start = places.length === 0 ? 0 : from;
  const cut = text.slice(start, start + EXCERPT_CHARS);
  return `${start > 0 ? '…' : ''}${cut}${start + EXCERPT_CHARS < text.length ? '…' : ''}`.toWellFormed();
}

/** Where the words stand, the best first. */
async function placesOf({ messages }: Store, owner: string, words: string[], limit: number): Promise<Place[]> {
  const counts = new Map<string, { place: Place; count: number }>();
  for (const word of words) {
    for (const place of await messages.matching(owner, word, words.length === 1 ? limit : MAX_MATCHES)) {
      const known = counts.get(place.id);
      if (known) known.count++;
      else counts.set(place.id, { place, count: 1 });
    }
  }
  const newer = (a: Place, b: Place) => (a.id < b.id ? 1 : -1);
  const ranked = [...counts.values()].sort((a, b) => b.count - a.count || newer(a.place, b.place));
  return ranked.slice(0, limit).map(({ place }) => place);
}

export async function findMessages(
  { store, searchLines }: { store: Store; searchLines: OwnerLines },
  owner: string,
  phrase: string,
  limit: number,
): Promise<FoundMessage[]> {
  return searchLines.run(owner, async () => {
    const whole = await placesOf(store, owner, [phrase.trim()], limit);
    const words = whole.length > 0 ? [phrase.trim()] : wordsOf(phrase);
    const places = whole.length > 0 ? whole : await placesOf(store, owner, words, limit);
    const titles = new Map<string, string | null>();
    const found: FoundMessage[] = [];
    for (const { sessionId, id } of places) {
      const [message] = await store.messages.page(owner, sessionId, { limit: 1, before: `${id}${BEHIND}` });
      if (message?.id !== id) continue;
      if (!titles.has(sessionId)) titles.set(sessionId, (await store.sessions.read(owner, sessionId))?.title ?? null);
      found.push({
        ...{ session_id: sessionId, title: titles.get(sessionId) ?? null, role: message.role },
        ...{ text: excerpt(message, words), created_at: new Date(message.createdAt).toISOString() },
      });
    }
    return found;
  });
}
