/**
 * Adding a turn, counted exactly once whatever is repeated, raced or cut off, without a transaction.
 *
 * Messages are inserted first; their ids make that repeatable. Then one update of the session counts those that it does not
 * have in its list of counted ones, and adds them to the list: both or neither. The list is kept short: its oldest are let go of
 * after their messages were marked as counted. So a message is counted if and only if it is in the list or marked, at any time.
 */
import type { Filter } from 'mongodb';
import { insertNew } from './insert.ts';
import type { Collections, Key, MessageDocument, SessionDocument } from './schema.ts';

/** The list grows to the one length and is cut to the other, so that one turn in many pays for it. */
const COUNTED_MOST = 192;
const COUNTED_LEAST = 64;

type Turn = { documents: MessageDocument[]; tokens: number; now: number };

/** What the session is asked for here is what the primary has now, majority or not. */
const NOW = { readConcern: { level: 'local' } } as const;

export async function appendTurn(
  db: Collections,
  signal: AbortSignal,
  session: { _id: Key; owner: string },
  { documents, tokens, now }: Turn,
): Promise<Omit<SessionDocument, 'trigrams' | 'counted'> | null> {
  const keys = documents.map(({ _id }) => _id);
  const idOf = ({ id }: { id: string }) => id.toWellFormed();
  let fresh: MessageDocument[] | undefined;
  for (;;) {
    signal.throwIfAborted();
    const known = await db.sessions.findOne(session, { ...db.read, ...NOW, projection: { trigrams: 0 } });
    if (known === null) {
      // It went away before or while these came; they must not outlive it.
      signal.throwIfAborted();
      if (keys.length > 0) await db.messages.deleteMany({ _id: { $in: keys } });
      return null;
    }
    signal.throwIfAborted();
    const first = fresh === undefined;
    fresh ??= await insertNew(db.messages, documents);
    // Read in this order, list before marks, nothing is missed: marks come before the list lets go.
    const open = keys.filter((key) => !known.counted.includes(idOf(key)));
    const marked = first && fresh.length === documents.length ? [] : await markedOf(db, open);
    const uncounted = [...new Set(open.map(idOf))].filter((id) => !marked.includes(id));
    if (uncounted.length === 0) return known;
    signal.throwIfAborted();
    // Refused, and looked at again, when another one counted any of these or let go of any meanwhile.
    const guard: Filter<SessionDocument> = { ...session, let_go: known.let_go, counted: { $nin: uncounted } };
    const counted = await db.sessions.findOneAndUpdate(
      guard,
      {
        $inc: { message_count: uncounted.length, total_tokens: tokens },
        $max: { updated_at: now },
        $push: { counted: { $each: uncounted } },
      },
      { returnDocument: 'after', projection: { trigrams: 0 } },
    );
    if (counted === null) continue;
    if (counted.counted.length > COUNTED_MOST) await letGo(db, signal, counted);
    return counted;
  }
}

async function markedOf({ messages, read }: Collections, keys: MessageDocument['_id'][]): Promise<string[]> {
  if (keys.length === 0) return [];
  const filter = { _id: { $in: keys }, counted: true as const };
  const found = await messages.find(filter, { ...read, ...NOW, projection: { _id: 1 } }).toArray();
  return found.map(({ _id }) => _id.id);
}

/** Marks first: cut off between the two, a message is in both places, which says the same. */
async function letGo(
  { sessions, messages }: Collections,
  signal: AbortSignal,
  session: SessionDocument,
): Promise<void> {
  const oldest = session.counted.slice(0, -COUNTED_LEAST);
  const { owner, id } = session._id;
  const keys = oldest.map((message) => ({ owner, session_id: id, id: message }));
  signal.throwIfAborted();
  await messages.updateMany({ _id: { $in: keys } }, { $set: { counted: true } });
  signal.throwIfAborted();
  await sessions.updateOne({ _id: session._id, owner }, { $pullAll: { counted: oldest }, $inc: { let_go: 1 } });
}
