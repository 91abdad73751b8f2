/** Sessions in MongoDB. One that is being deleted has lost its owner and reads as none; then its messages go, then it. */
import type { Filter, UpdateFilter } from 'mongodb';
import type { FeatureMode, Session, Summary } from '../../session.ts';
import { MAX_COUNTED, type SessionFilter, type SessionStore, sessionSorts } from '../../store.ts';
import { contains, trigramsOf } from '../search-text.ts';
import { pack, unpack } from './bodies.ts';
import type { Call } from './client.ts';
import { insertNew } from './insert.ts';
import { type Collections, type Key, keyOf, mine, number, type SessionDocument, text } from './schema.ts';
import { candidates, MAX_CANDIDATES } from './search.ts';

/** Messages, and sessions. */
const DELETED_AT_ONCE = 500;
const DELETIONS_AT_ONCE = 100;
/** What only the store looks at. */
export const sessionView = { trigrams: 0, counted: 0 } as const;

const summaryDocument = ({ text, upTo, messages, createdAt }: Summary) => ({
  text,
  up_to: upTo,
  messages,
  created_at: createdAt,
});

async function documentOf(session: Session): Promise<SessionDocument> {
  const { id, owner, title, summary } = session;
  return {
    _id: keyOf(owner, id),
    owner,
    session_id: id,
    title,
    title_by: session.titleBy,
    feature_mode: session.featureMode,
    model: session.model,
    feature_options: await pack(session.featureOptions),
    created_at: session.createdAt,
    updated_at: session.updatedAt,
    total_tokens: session.totalTokens,
    message_count: session.messageCount,
    summary: summary === null ? null : summaryDocument(summary),
    trigrams: trigramsOf(title ?? ''),
    counted: [],
    let_go: 0,
  };
}

export async function sessionOf(found: Omit<SessionDocument, 'trigrams' | 'counted'>): Promise<Session> {
  const { summary } = found;
  return {
    id: found.session_id,
    owner: found._id.owner,
    title: found.title,
    titleBy: found.title_by,
    featureMode: found.feature_mode as FeatureMode,
    model: found.model,
    featureOptions: await unpack(found.feature_options),
    createdAt: found.created_at,
    updatedAt: found.updated_at,
    totalTokens: found.total_tokens,
    messageCount: found.message_count,
    summary: summary && {
      text: summary.text,
      upTo: summary.up_to,
      messages: summary.messages,
      createdAt: summary.created_at,
    },
  };
}

export const readSession = ({ sessions, read }: Collections, owner: string, id: string) =>
  sessions.findOne(mine(owner, id), { ...read, projection: sessionView });

function filterOf(owner: string, filter: SessionFilter): Filter<SessionDocument> {
  const within = (name: string, from: number | undefined, to: number | undefined) => {
    const bounds = {
      ...(from === undefined ? {} : { $gte: number(from) }),
      ...(to === undefined ? {} : { $lte: number(to) }),
    };
    return Object.keys(bounds).length === 0 ? {} : { [name]: bounds };
  };
  return {
    owner: text(owner),
    ...(filter.ids === undefined ? {} : { _id: { $in: filter.ids.map((id) => keyOf(owner, id)) } }),
    ...(filter.featureMode === undefined ? {} : { feature_mode: text(filter.featureMode) }),
    ...within('updated_at', filter.updatedFrom, filter.updatedTo),
    ...within('total_tokens', filter.minTokens, filter.maxTokens),
    ...within('message_count', filter.minMessages, filter.maxMessages),
  };
}

/** Ends a deletion that was begun; each step has its own deadline, and may be repeated. */
async function finishDeletion(call: Call, key: Key): Promise<void> {
  for (let left = DELETED_AT_ONCE; left >= DELETED_AT_ONCE; ) {
    left = await call(async ({ messages, read }, signal) => {
      const filter = { owner: key.owner, session_id: key.id };
      const some = { ...read, limit: DELETED_AT_ONCE, projection: { _id: 1 } };
      const found = await messages.find(filter, some).toArray();
      signal.throwIfAborted();
      if (found.length > 0) await messages.deleteMany({ _id: { $in: found.map(({ _id }) => _id) } });
      return found.length;
    });
  }
  await call(({ sessions }) => sessions.deleteOne({ _id: key, deleting: true }));
}

export function mongoSessions(call: Call): SessionStore {
  /** The session as it is now, changed or, where the condition does not hold, not. */
  async function change(
    owner: string,
    id: string,
    condition: Filter<SessionDocument>,
    update: UpdateFilter<SessionDocument>,
  ): Promise<Session | null> {
    const found = await call(async (db, signal) => {
      const changed = await db.sessions.findOneAndUpdate({ ...mine(owner, id), ...condition }, update, {
        returnDocument: 'after',
        projection: sessionView,
      });
      signal.throwIfAborted();
      return changed ?? readSession(db, owner, id);
    });
    return found && sessionOf(found);
  }

  return {
    async create(session) {
      const made = await documentOf(session);
      await call(({ sessions }) => insertNew(sessions, [made]));
    },

    async read(owner, id) {
      const found = await call((db) => readSession(db, owner, id));
      return found && sessionOf(found);
    },

    async list(owner, filter, { sort, limit, skip }) {
      const wanted = filterOf(owner, filter);
      if (!sessionSorts.includes(sort)) throw new TypeError('There is no such sort.');
      const options = { sort: { [sort]: -1, session_id: -1 } as const, limit: number(limit), skip: number(skip) };
      const [found, total] = await call(({ sessions, read }) =>
        Promise.all([
          limit < 1 ? [] : sessions.find(wanted, { ...read, ...options, projection: sessionView }).toArray(),
          sessions.countDocuments(wanted, { ...read, limit: MAX_COUNTED }),
        ]),
      );
      return { sessions: await Promise.all(found.map(sessionOf)), total };
    },

    setTitle(owner, id, title, by, now) {
      const condition = by === 'model' ? { title_by: { $ne: 'client' as const } } : {};
      const set = { title: text(title), title_by: by, trigrams: trigramsOf(title) };
      return change(owner, id, condition, { $set: set, $max: { updated_at: number(now) } });
    },

    setSummary(owner, id, summary) {
      const condition = { $or: [{ summary: null }, { 'summary.up_to': { $lt: text(summary.upTo) } }] };
      return change(owner, id, condition, { $set: { summary: summaryDocument(summary) } });
    },

    async delete(owner, id) {
      const begun = await call(async ({ sessions }) => {
        const change = { $set: { deleting: true as const }, $unset: { owner: 1 as const } };
        return (await sessions.updateOne(mine(owner, id), change)).modifiedCount > 0;
      });
      // Also those that were begun and given up, perhaps this one.
      const open = await call(({ sessions, read }) => {
        const some = { ...read, limit: DELETIONS_AT_ONCE, projection: { _id: 1 } };
        return sessions.find({ deleting: true, '_id.owner': owner }, some).toArray();
      });
      for (const { _id } of open) await finishDeletion(call, _id);
      return begun;
    },

    async titled(owner, query, limit) {
      if (query === '' || number(limit) < 1) return [];
      const wanted = query.toWellFormed();
      return call(async (db, signal) => {
        const filter = await candidates(db.sessions, db, owner, query);
        const options = {
          sort: { session_id: -1 } as const,
          limit: MAX_CANDIDATES,
          projection: { session_id: 1, title: 1 },
        };
        const ids: string[] = [];
        for await (const { session_id, title } of db.sessions.find(filter, { ...db.read, ...options })) {
          signal.throwIfAborted();
          if (title !== null && contains(title, wanted)) ids.push(session_id);
          if (ids.length >= limit) break;
        }
        return ids;
      });
    },
  };
}
