/**
 * A session: a conversation of one owner. Its messages live in the store, one by one; the recent ones wait in Redis for
 * the next call. What a task adds is derived from the task, so that it is written once however often it is written.
 */
import { customAlphabet } from 'nanoid';
import { z } from 'zod';
import { TaskError } from './errors.ts';
import type { ChatMessage, ContentPart, ToolCall } from './provider.ts';
import type { EndStatus, TaskRecord } from './task.ts';
import { makeTimeId, TASK_ID_LENGTH, timeIdPattern, withTime } from './task-id.ts';

export const featureModes = [
  'chat',
  'rag',
  'multi-agent',
  'knowledge-graph',
  'audio',
  'ocr',
  'google',
  'web-search',
  'evaluation',
  'agentic',
] as const;
export type FeatureMode = (typeof featureModes)[number];

export const roles = ['system', 'user', 'assistant', 'tool'] as const;
export type Role = (typeof roles)[number];

/** The older part of a conversation in a few words. `upTo`: the last message it covers; `messages`: how many it covers. */
export type Summary = { text: string; upTo: string; messages: number; createdAt: number };

/** Times in ms since the epoch, by Redis TIME. */
export type Session = {
  id: string;
  owner: string;
  title: string | null;
  /** A title that a person gave is never replaced by a model's. */
  titleBy: 'client' | 'model' | null;
  featureMode: FeatureMode;
  model: string | null;
  /** JSON text: the client's own, which nothing reads. */
  featureOptions: string;
  createdAt: number;
  updatedAt: number;
  totalTokens: number;
  messageCount: number;
  summary: Summary | null;
};

export type Message = {
  /** Sorts by the end of the task that made it, or when it was posted: a turn's messages lie together, in their order. */
  id: string;
  role: Role;
  /** JSON text, as `storedContent` gives it. */
  content: string;
  /** What of it is text: what search looks at. */
  text: string;
  model: string | null;
  /** Of an answer. */
  usage: { inputTokens: number; outputTokens: number; estimated: boolean } | null;
  /** JSON text: pairs of the client's. */
  metadata: string;
  /** The task that made it, how that ended, and of a retry the turn that asked first; null for a message that was posted. */
  task: { id: string; status: EndStatus; turnOf?: string } | null;
  createdAt: number;
};

/** What a message says: as in a request, its content, the functions it calls, or the call that it is the result of. */
export type Speech = Pick<ChatMessage, 'content' | 'tool_calls' | 'tool_call_id'>;

/** Parts beside texts and images, which only a stored message has. */
type ToolPart = { type: 'tool_call'; call: ToolCall } | { type: 'tool_result'; id: string };

/** JSON text: a string, or parts that are text or images, as in the request; calls and their results as further parts. */
export function storedContent({ content, tool_calls: calls = [], tool_call_id: id }: Speech): string {
  if (calls.length === 0 && id === undefined) return JSON.stringify(content);
  const said = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
  const more: ToolPart[] = calls.map((call) => ({ type: 'tool_call', call }));
  if (id !== undefined) more.push({ type: 'tool_result', id });
  return JSON.stringify([...said, ...more]);
}

/** What a stored message says. */
export function speechOf(content: string): Speech {
  const stored: string | (ContentPart | ToolPart)[] = JSON.parse(content);
  if (typeof stored === 'string') return { content: stored };
  const said: ContentPart[] = [];
  const calls: ToolCall[] = [];
  let id: string | undefined;
  for (const part of stored) {
    if (part.type === 'tool_call') calls.push(part.call);
    else if (part.type === 'tool_result') ({ id } = part);
    else said.push(part);
  }
  if (calls.length === 0 && id === undefined) return { content: said };
  const [first] = said;
  return {
    content: said.length === 1 && first?.type === 'text' ? first.text : said,
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
    ...(id === undefined ? {} : { tool_call_id: id }),
  };
}

/** A message as it is read: who spoke, and what of it is text. */
export type Spoken = Pick<Message, 'id' | 'role' | 'text'>;

/** The recent part of a session, as the store has it: its newest messages, oldest first, and what the next call must know. */
export type Window = Pick<Session, 'owner' | 'model' | 'summary'> & { messages: Message[] };

/** An ended task, as what it changes in its session is derived from it. Times in ms, Redis TIME. */
export type EndedTask<Output = unknown> = Pick<TaskRecord, 'id' | 'owner' | 'createdAt' | 'startedAt' | 'usage'> & {
  /** The turn whose question it asks again; null when it asks its own. */
  turnOf: string | null;
  status: EndStatus;
  endedAt: number;
  /** Partial of a task that did not complete; null when it has none. */
  output: Output | null;
};

/** What an ended task changes in a session. The same task gives the same change, so applying it twice changes nothing. */
export type SessionChange = {
  sessionId: string;
  /** A turn of the conversation, oldest first. */
  messages?: Message[];
  /** What the turn used. */
  tokens?: number;
  title?: string;
  summary?: Summary;
};

/** Of a session that is not there, or another one's. */
export const noSession = () => new TaskError('not_found', 'There is no such session.');

const INDEX_LENGTH = 3;
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const random = customAlphabet(ALPHABET, INDEX_LENGTH);

/** The most messages one turn may add. */
export const MAX_TURN_MESSAGES = 100;

/** 80 random bits behind the time: nobody guesses another one's. */
export const makeSessionId = (now: number) => makeTimeId('sess_', now);
export const isSessionId = (id: string) => timeIdPattern('sess_').test(id);
/** A session of the caller's, as inputs name it. */
export const SessionId = z.string().regex(timeIdPattern('sess_'), 'must be the id of a session');

/** The id of a posted message. */
export const makeMessageId = (now: number) => `${makeTimeId('msg_', now)}${random()}`;

/**
 * The turn of an ended task: its id with the time of its end, so that a turn stands where its answer came. Whoever was
 * submitted earlier and answered later comes later.
 */
export const turnIdOf = ({ id, endedAt }: { id: string; endedAt: number }) => withTime(id, endedAt);
/** The id of the n-th message of a turn. */
export const messageIdOf = (turnId: string, index: number) =>
  `msg_${turnId.slice(-TASK_ID_LENGTH)}${String(index).padStart(INDEX_LENGTH, '0')}`;
/** The turn that a message of a task stands in. */
export const turnOfMessage = (id: string) => id.replace(/^msg_/, 'task_').slice(0, -INDEX_LENGTH);
export const isMessageId = (id: string) => new RegExp(`^msg_[${ALPHABET}]{${TASK_ID_LENGTH + INDEX_LENGTH}}$`).test(id);

/** The text of what a message says, that of its parts in lines. */
export const textOfContent = (
  content: string | readonly ({ type: 'text'; text: string } | { type: 'image_url' })[],
): string =>
  typeof content === 'string'
    ? content
    : content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');
