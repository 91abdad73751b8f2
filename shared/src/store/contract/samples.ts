/** What the contract suite puts into a store. */
import { nanoid } from 'nanoid';
import type { LogEntry } from '../../event.ts';
import { type Message, makeMessageId, makeSessionId, type Session } from '../../session.ts';
import type { ArchivedTask, Store } from '../../store.ts';
import type { TaskRecord } from '../../task.ts';
import { makeTaskId } from '../../task-id.ts';

/** Two instances on the same data, as two programs have them. */
export type Pair = { one: Store; two: Store };

/** A time of the samples; the tests of purging use times long before it. */
export const T0 = Date.UTC(2026, 0, 1);

/** Every test has its own owner: they share one store, and none sees what another left. */
export const someOwner = () => `owner-${nanoid()}`;

export function someEvents(count: number, at = T0): LogEntry[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `1-${i + 1}`,
    prev: i === 0 ? '0-0' : `1-${i}`,
    type: 'text',
    at: at + i,
    data: JSON.stringify({ content: `piece ${i}` }),
  }));
}

export function someTask(
  owner: string,
  fields: Partial<TaskRecord> = {},
  rest: Partial<Omit<ArchivedTask, 'record'>> = {},
): ArchivedTask {
  const createdAt = fields.createdAt ?? T0;
  return {
    record: {
      id: makeTaskId(createdAt, 0),
      owner,
      type: 'chat.request',
      status: 'completed',
      attempt: 1,
      failures: 0,
      maxAttempts: 3,
      patienceMs: null,
      lastId: '1-3',
      lastStateId: '1-3',
      priority: 0,
      metadata: { project: 'beans' },
      createdAt,
      dueAt: createdAt,
      runAt: null,
      startedAt: createdAt + 5,
      queuedAt: null,
      inputRequiredAt: null,
      endedAt: createdAt + 900,
      cancelRequestedAt: null,
      runMs: 895,
      progress: null,
      approval: null,
      output: '{"role":"assistant","content":"Green."}',
      error: null,
      usage: { inputTokens: 12, outputTokens: 3, estimated: false },
      retryOf: null,
      approvals: [],
      marks: {},
      waiting: null,
      unreadMessages: 0,
      ...fields,
    },
    input: '{"messages":[{"role":"user","content":"Which colour?"}]}',
    timeoutMs: 300_000,
    events: someEvents(3, createdAt),
    ...rest,
  };
}

export function someSession(owner: string, fields: Partial<Session> = {}): Session {
  const createdAt = fields.createdAt ?? T0;
  return {
    id: makeSessionId(createdAt),
    owner,
    title: null,
    titleBy: null,
    featureMode: 'chat',
    model: null,
    featureOptions: '{}',
    createdAt,
    updatedAt: createdAt,
    totalTokens: 0,
    messageCount: 0,
    summary: null,
    ...fields,
  };
}

export function someMessage(text: string, fields: Partial<Message> = {}): Message {
  const createdAt = fields.createdAt ?? T0;
  return {
    id: makeMessageId(createdAt),
    role: 'user',
    content: JSON.stringify(text),
    text,
    model: null,
    usage: null,
    metadata: '{}',
    task: null,
    createdAt,
    ...fields,
  };
}

/** Puts a new session with one turn; gives its id and the messages. */
export async function talk(store: Store, owner: string, texts: string[], fields: Partial<Session> = {}) {
  const session = someSession(owner, fields);
  await store.sessions.create(session);
  const messages = texts.map((text, i) => someMessage(text, { createdAt: T0 + i }));
  await store.messages.append(owner, session.id, { id: messages[0]?.id ?? 'none', messages, tokens: 7, now: T0 + 50 });
  return { sessionId: session.id, messages };
}

/** Strings that were code, pattern or end somewhere, in some language. */
export const hostile = [
  '.*(',
  '$where',
  '{"$gt":""}',
  '__proto__',
  'constructor',
  "'; DROP TABLE tasks; --",
  '%',
  '_',
  '*',
  '"',
  '\\',
  'a\u0000b',
  '\u0000',
  '\ufdd00\u00001\ufdd0',
  '$',
  'a.b',
  '',
  ' ',
  '👩‍👩‍👧',
  'שלום עולם',
  '회의록을 정리해 줘',
  'NEAR("a" "b")',
  'AND',
  '\ud83d',
  '\udc00x',
  '\r\n\t',
  'x'.repeat(1_000_000),
];

/** A store keeps well-formed text: half a letter may come back as U+FFFD. */
export function wellFormed<T>(value: T): T {
  if (typeof value === 'string') return value.toWellFormed() as T;
  if (Array.isArray(value)) return value.map(wellFormed) as T;
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [name.toWellFormed(), wellFormed(field)]),
  ) as T;
}

/** Repeatable random numbers from 0 up to 1 (mulberry32), so that a failure can be run again. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const pick = <T>(random: () => number, values: readonly T[]): T =>
  values[Math.floor(random() * values.length)] as T;

/** Positive when `a` stands before `b` in a list of the newest first. */
export const byIdDown = (a: { id: string }, b: { id: string }) => (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
