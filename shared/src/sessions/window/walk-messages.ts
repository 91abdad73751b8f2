/**
 * Walks a conversation a few messages at a time: each may be as large as a request, so that what is in memory at once is
 * bounded by letters, whatever the number of messages.
 */
import type { Message } from '../../session.ts';
import type { MessageStore } from '../../store.ts';

/** Messages read at first, and at most at once; then as many as seem to have room. */
const FIRST_CHUNK = 4;
const MAX_CHUNK = 50;
const CHUNK_CHARS = 4 * 1024 * 1024;

/** Reads with `read(limit, from)`, which goes on behind one message, until there are no more. */
async function* walk(read: (limit: number, from: string | null) => Promise<Message[]>): AsyncGenerator<Message> {
  let from: string | null = null;
  for (let limit = FIRST_CHUNK; ; ) {
    const chunk: Message[] = await read(limit, from);
    yield* chunk;
    if (chunk.length < limit) return;
    from = chunk.at(-1)?.id ?? null;
    const chars = chunk.reduce((sum, { content }) => sum + content.length, 0);
    limit = Math.min(MAX_CHUNK, Math.max(1, Math.floor((CHUNK_CHARS * chunk.length) / (chars + 1))));
  }
}

type Reads = Pick<MessageStore, 'page' | 'range'>;

/** From the newest before an id (null: at all) back. */
export const newestFirst = (messages: Reads, owner: string, sessionId: string, before: string | null) =>
  walk(async (limit, from) => (await messages.page(owner, sessionId, { limit, before: from ?? before })).reverse());

/** From the oldest behind one id (null: from the first) on, up to another. */
export const oldestFirst = (
  messages: Reads,
  owner: string,
  sessionId: string,
  { after, before }: { after: string | null; before: string },
) => walk((limit, from) => messages.range(owner, sessionId, { after: from ?? after, before, limit }));
