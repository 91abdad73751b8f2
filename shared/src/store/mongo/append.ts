/**
 * Adding a turn, counted exactly once whatever is repeated, raced or cut off, without a transaction.
 *
 * Messages are inserted first; their ids make that repeatable. Then one update of the session counts those that it does not
 * have in its list of counted ones, and adds them to the list: both or neither. The list is kept short: its oldest are let go of
 * after their messages were marked as counted. So a message is counted if and only if it is in the list or marked, at any time.
 */
import type { Filter } from 'mongodb';
import { compareEnds, type TaskEnd, type Turn } from '../../store.ts';
import { insertNew } from './insert.ts';
import type { Collections, Key, MessageDocument, SessionDocument } from './schema.ts';

/** A turn has a hundred at most. */
const EARLIER_AT_ONCE = 500;

/** The list grows to the one length and is cut to the other, so that one turn in many pays for it. */
const COUNTED_MOST = 192;
const COUNTED_LEAST = 64;

type MongoTurn = Omit<Turn, 'messages'> & { documents: MessageDocument[] };
type Session = { _id: Key; owner: string };

/** What the session is asked for here is what the primary has now, majority or not. */
const NOW = { readConcern: { level: 'local' } } as const;

export async function appendTurn(
  db: Collections,
  signal: AbortSignal,
  session: Session,
  { id, documents, tokens, now, end }: MongoTurn,
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
    const stands = standing(known, id, end);
    if (end && stands === 'later') {
      await removeUncounted(db, known, fresh ?? []);
      return known;
    }
    if (end?.replaces && stands !== 'this') {
      await removeEarlier(db, signal, session, { known, task: id, end });
      continue;
    }
    const first = fresh === undefined;
    fresh ??= await insertNew(db.messages, documents);
    // Counted and yet not there: a later end has taken them away since the session was read.
    if (first && fresh.some((message) => known.counted.includes(idOf(message._id)))) continue;
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

/** Which end's turn stands of a task that has ended before; `clearing` is this one, whose earlier turn is still there. */
function standing({ turn_ends }: Pick<SessionDocument, 'turn_ends'>, task: string, end: TaskEnd | undefined) {
  const known = turn_ends?.find((one) => one.task === task.toWellFormed());
  if (!known || !end) return 'none';
  const later = compareEnds(known, end);
  if (later > 0) return 'later';
  return later < 0 ? 'none' : known.uncounted ? 'clearing' : 'this';
}

/** Of messages that were inserted before a later end was seen. */
async function removeUncounted(
  db: Collections,
  { counted }: Pick<SessionDocument, 'counted'>,
  some: MessageDocument[],
) {
  const open = some.map(({ _id }) => _id).filter(({ id }) => !counted.includes(id));
  const marked = await markedOf(db, open);
  const these = open.filter(({ id }) => !marked.includes(id));
  if (these.length > 0) await db.messages.deleteMany({ _id: { $in: these } });
}

/**
 * One step of taking away what an earlier end of a task has added; whoever took it looks at the session again. First its
 * messages cease to count, in one update that says which they are, so that a repeat takes none off twice; then they go; and when
 * there are none, the session says that only this end stands. From the first step on an earlier end counts nothing.
 */
async function removeEarlier(
  db: Collections,
  signal: AbortSignal,
  session: Session,
  { known, task, end }: { known: Omit<SessionDocument, 'trigrams'>; task: string; end: TaskEnd },
): Promise<void> {
  const some = { ...db.read, ...NOW, limit: EARLIER_AT_ONCE, projection: { message_id: 1, counted: 1, tokens: 1 } };
  const { owner, id } = session._id;
  const earlier = await db.messages.find({ owner, session_id: id, task_id: task }, some).toArray();
  const entry = known.turn_ends?.find((one) => one.task === task.toWellFormed());
  const gone = entry?.uncounted ?? [];
  const counting = earlier.filter(
    ({ _id, counted }) => !gone.includes(_id.id) && (counted || known.counted.includes(_id.id)),
  );
  const ids = counting.map(({ _id }) => _id.id);
  const others = known.turn_ends?.filter((one) => one.task !== task.toWellFormed()) ?? [];
  const { attempt, at } = end;
  const next = earlier.length > 0 ? { task, attempt, at, uncounted: [...gone, ...ids] } : { task, attempt, at };
  signal.throwIfAborted();
  const { matchedCount } = await db.sessions.updateOne(
    // Refused when any was counted meanwhile, or let go of.
    { ...session, let_go: known.let_go, message_count: known.message_count },
    {
      $set: { turn_ends: [...others, next] },
      $pullAll: { counted: ids },
      $inc: {
        let_go: 1,
        message_count: 0 - ids.length,
        total_tokens: counting.reduce((sum, { tokens = 0 }) => sum - tokens, 0),
      },
    },
  );
  signal.throwIfAborted();
  if (matchedCount === 0 || earlier.length === 0) return;
  await db.messages.deleteMany({ _id: { $in: earlier.map(({ _id }) => _id) } });
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
