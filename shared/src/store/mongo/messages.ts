/**
 * Messages in MongoDB, one document each. `append` says how a turn is counted exactly once without a transaction;
 * docs/decisions/0016 has the reasons.
 */
import type { Log } from '../../log.ts';
import type { Message, Role } from '../../session.ts';
import type { MessageStore } from '../../store.ts';
import type { EndStatus } from '../../task.ts';
import { contains, turnTrigrams } from '../search-text.ts';
import { appendTurn } from './append.ts';
import { pack, sizeOf, unpack } from './bodies.ts';
import type { Call } from './client.ts';
import { type Collections, keyOf, type MessageDocument, mine, number, text } from './schema.ts';
import { candidates, MAX_CANDIDATES } from './search.ts';
import { sessionOf } from './sessions.ts';

/** Of a document's 16 MB; the rest is for what stands beside. */
const MAX_MESSAGE_BYTES = 13 * 1024 * 1024;
const MAX_KEPT_LETTERS = 2_000_000;
/** What only the store looks at. */
const messageView = { trigrams: 0 } as const;

const jsonOf = (content: string) => JSON.stringify(content);

function documentSize({ content = '', text, metadata }: MessageDocument): number {
  return sizeOf(content) + sizeOf(text) + sizeOf(metadata);
}

async function packMessage(
  owner: string,
  sessionId: string,
  message: Message,
  trigrams: string[],
): Promise<MessageDocument> {
  const { id, content, usage } = message;
  return {
    _id: { owner: text(owner), session_id: text(sessionId), id: text(id) },
    owner,
    session_id: sessionId,
    message_id: id,
    role: message.role,
    text: await pack(message.text),
    ...(message.text.isWellFormed() && content === jsonOf(message.text) ? {} : { content: await pack(content) }),
    model: message.model,
    usage: usage && {
      input_tokens: usage.inputTokens,
      output_tokens: usage.outputTokens,
      estimated: usage.estimated,
    },
    metadata: message.metadata,
    task_id: message.task?.id ?? null,
    task_status: message.task?.status ?? null,
    task_turn_of: message.task?.turnOf ?? null,
    created_at: message.createdAt,
    trigrams,
  };
}

async function messageOf(found: Omit<MessageDocument, 'trigrams'>): Promise<Message> {
  const { usage, task_id, task_status, task_turn_of } = found;
  const text = await unpack(found.text);
  return {
    id: found.message_id,
    role: found.role as Role,
    content: found.content === undefined ? jsonOf(text) : await unpack(found.content),
    text,
    model: found.model,
    usage: usage && {
      inputTokens: usage.input_tokens,
      outputTokens: usage.output_tokens,
      estimated: usage.estimated,
    },
    metadata: found.metadata,
    task:
      task_id === null
        ? null
        : { id: task_id, status: task_status as EndStatus, ...(task_turn_of ? { turnOf: task_turn_of } : {}) },
    createdAt: found.created_at,
  };
}

export function mongoMessages(call: Call, log: Log): MessageStore {
  /** As a document can hold it: one that is too large, also deflated, is kept as its text. */
  async function documentOf(
    owner: string,
    sessionId: string,
    message: Message,
    trigrams: string[],
  ): Promise<MessageDocument> {
    const whole = await packMessage(owner, sessionId, message, trigrams);
    if (documentSize(whole) <= MAX_MESSAGE_BYTES) return whole;
    log.warn(
      { messageId: message.id, bytes: documentSize(whole) },
      'a message is too large for the store: kept as text',
    );
    const kept = message.text.slice(0, MAX_KEPT_LETTERS).toWellFormed();
    const metadata = sizeOf(message.metadata) > MAX_KEPT_LETTERS ? '{}' : message.metadata;
    const cut = { ...message, text: kept, content: jsonOf(kept), metadata };
    return packMessage(owner, sessionId, cut, trigrams);
  }

  /** Messages of a session that is there. */
  async function slice(
    owner: string,
    sessionId: string,
    bounds: { $lt?: string; $gt?: string },
    { limit, order }: { limit: number; order: 1 | -1 },
  ): Promise<Message[]> {
    if (number(limit) < 1) return [];
    const filter = {
      owner: text(owner),
      session_id: text(sessionId),
      ...(Object.keys(bounds).length === 0 ? {} : { message_id: bounds }),
    };
    const [there, found] = await call(({ messages, sessions, read }) =>
      Promise.all([
        sessions.findOne(mine(owner, sessionId), { ...read, projection: { _id: 1 } }),
        messages.find(filter, { ...read, sort: { message_id: order }, limit, projection: messageView }).toArray(),
      ]),
    );
    return there ? Promise.all(found.map(messageOf)) : [];
  }

  /** Drops those whose session is being deleted. */
  async function living<T extends { sessionId: string }>(
    { sessions, read }: Collections,
    owner: string,
    found: T[],
  ): Promise<T[]> {
    const keys = [...new Set(found.map(({ sessionId }) => sessionId))].map((id) => keyOf(owner, id));
    const there = sessions.find({ _id: { $in: keys }, owner }, { ...read, projection: { session_id: 1 } });
    const ids = new Set((await there.toArray()).map(({ session_id }) => session_id));
    return found.filter(({ sessionId }) => ids.has(sessionId));
  }

  return {
    async append(owner, sessionId, { messages, ...turn }) {
      const trigrams = turnTrigrams(messages.map(({ text }) => text));
      const documents = await Promise.all(
        messages.map((message, index) => documentOf(owner, sessionId, message, trigrams[index] ?? [])),
      );
      const last = documents.at(-1);
      if (last) last.tokens = number(turn.tokens);
      const made = { ...turn, documents, now: number(turn.now) };
      const found = await call((db, signal) => appendTurn(db, signal, mine(owner, sessionId), made));
      return found && sessionOf(found);
    },

    async page(owner, sessionId, { limit, before }) {
      const bounds = before === null ? {} : { $lt: text(before) };
      return (await slice(owner, sessionId, bounds, { limit, order: -1 })).reverse();
    },

    range(owner, sessionId, { after, before, limit }) {
      const bounds = { ...(after === null ? {} : { $gt: text(after) }), $lt: text(before) };
      return slice(owner, sessionId, bounds, { limit, order: 1 });
    },

    async matching(owner, query, limit) {
      if (query === '' || number(limit) < 1) return [];
      const wanted = query.toWellFormed();
      return call(async (db, signal) => {
        const filter = await candidates(db.messages, db, owner, query);
        const projection = { session_id: 1, message_id: 1, text: 1 };
        const options = { sort: { message_id: -1 } as const, limit: MAX_CANDIDATES, projection };
        const found: { sessionId: string; id: string }[] = [];
        for await (const message of db.messages.find(filter, { ...db.read, ...options })) {
          signal.throwIfAborted();
          if (contains(await unpack(message.text), wanted)) {
            found.push({ sessionId: message.session_id, id: message.message_id });
          }
          if (found.length >= limit) break;
        }
        return living(db, owner, found);
      });
    },
  };
}
