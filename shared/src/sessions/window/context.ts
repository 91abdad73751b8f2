/** The sessions of one attempt's owner, as its handler may read them. */

import { TaskError } from '../../errors.ts';
import { costOf, cutMessage, MESSAGE_TOKENS } from '../../models/message-tokens.ts';
import { countTokens } from '../../models/tokens.ts';
import type { OwnerLines } from '../../owners/lines.ts';
import type { ChatMessage } from '../../provider.ts';
import {
  type Message,
  type Session,
  type Spoken,
  type Summary,
  speechOf,
  turnOfMessage,
  type Window,
} from '../../session.ts';
import type { Store } from '../../store.ts';
import { type Preferences, readPreferences } from '../preferences.ts';
import { type FoundMessage, findMessages } from './find-messages.ts';
import { newestFirst, oldestFirst } from './walk-messages.ts';
import { readWindow, type WindowDeps } from './window.ts';

/**
 * The owner's sessions. Throws `not_found` when there is none of this id, and `unavailable` when the store that knows is away:
 * let it pass, and the task waits for it without spending a failure.
 */
export type SessionContext = {
  /**
   * What the model is shown: the owner's preferences and the summary of the older part as system messages, the recent
   * messages as far as they fit, then the new ones, whole. Without a session the new ones only.
   */
  window(sessionId: string | undefined, messages: ChatMessage[]): Promise<ChatMessage[]>;
  /** The model of calls that name none: the session's, else the owner's; undefined is the default one. */
  model(sessionId: string | undefined): Promise<string | undefined>;
  /** How it began, oldest first. */
  first(sessionId: string): Promise<Spoken[]>;
  /** The summary so far, and the next messages, oldest first, that it does not cover and that `window` does not show. */
  older(sessionId: string, after?: string): Promise<{ summary: Summary | null; messages: Spoken[] }>;
  /** What was said in any of the owner's sessions with these words in it, the best first. */
  search(words: string, limit: number): Promise<FoundMessage[]>;
};

/** Messages that tell how a session began, and those that are summarised at once. */
const FIRST_MESSAGES = 6;
const OLDER_MESSAGES = 100;
/** Behind every message id. */
const LAST = 'msg_~';

const gone = () => new TaskError('not_found', 'The session of session_id is gone.');
/** Nobody needs more of an old message than this many of its letters. */
const SPOKEN_CHARS = 4_000;
const spoken = ({ id, role, text }: Message) => ({ id, role, text: text.slice(0, SPOKEN_CHARS) });

/** The first of them, without what they hold beside their words. */
async function firstSpoken(messages: AsyncIterable<Message>, limit: number) {
  const first: ReturnType<typeof spoken>[] = [];
  for await (const message of messages) if (first.push(spoken(message)) === limit) break;
  return first;
}

/** `task`: the one that asks. `turnOf`: the turn whose question is asked again, by a retry. */
export function createSessionContext(
  deps: WindowDeps & { store: Store; searchLines: OwnerLines },
  { owner, task, turnOf }: { owner: string; task: string; turnOf: string | null },
): SessionContext {
  const { store, sessionLimits: limits } = deps;
  const opened = new Map<string, Promise<{ window: Window; preferences: Preferences }>>();

  /** Once per attempt: what the model is shown and who answers are of the same moment. */
  function open(sessionId: string) {
    const known = opened.get(sessionId);
    if (known) return known;
    const opening = Promise.all([readWindow(deps, owner, sessionId), readPreferences(deps, owner)]).then(
      ([window, preferences]) => {
        if (window === null) throw gone();
        return { window, preferences };
      },
    );
    opened.set(sessionId, opening);
    return opening;
  }

  async function read(sessionId: string): Promise<Session> {
    const session = await store.sessions.read(owner, sessionId);
    if (session === null) throw gone();
    return session;
  }

  return {
    async window(sessionId, messages) {
      if (sessionId === undefined) return messages;
      const { window, preferences } = await open(sessionId);
      const earlier = withoutTurn(window, task, turnOf);
      return [...(await fit(earlier, preferences, limits.contextTokens)), ...messages];
    },

    async model(sessionId) {
      if (sessionId === undefined) return undefined;
      const { window, preferences } = await open(sessionId);
      return window.model ?? preferences.model;
    },

    async first(sessionId) {
      await read(sessionId);
      const range = { after: null, before: LAST };
      return firstSpoken(oldestFirst(store.messages, owner, sessionId, range), FIRST_MESSAGES);
    },

    search: (words, limit) => findMessages(deps, owner, words, limit),

    async older(sessionId, after) {
      const { summary } = await read(sessionId);
      const newest = newestFirst(store.messages, owner, sessionId, null);
      const recent = (await firstSpoken(newest, limits.contextMessages)).at(-1);
      if (!recent) return { summary, messages: [] };
      const range = { after: after ?? summary?.upTo ?? null, before: recent.id };
      const older = oldestFirst(store.messages, owner, sessionId, range);
      return { summary, messages: await firstSpoken(older, OLDER_MESSAGES) };
    },
  };
}

/**
 * The model is asked anew: neither the question again, nor what came of it. Of this task itself there is something where it had
 * ended, and Redis lost its end.
 */
function withoutTurn(window: Window, taskId: string, turnOf: string | null): Window {
  const isOfTurn = ({ id, task }: Message) =>
    task !== null && (task.id === taskId || (task.turnOf ?? turnOfMessage(id)) === turnOf);
  return { ...window, messages: window.messages.filter((message) => !isOfTurn(message)) };
}

/**
 * What goes before the new messages, within a budget of tokens. Instructions are bounded where they are set, and always
 * go; then the summary, if it fits; then as many of the newest messages as fit whole, and of the next one its beginning and
 * its end: after one long message the model still knows what it is about.
 */
async function fit(window: Window, preferences: Preferences, budget: number): Promise<ChatMessage[]> {
  const instructions = [preferences.instructions, preferences.language && languageRule(preferences.language)];
  const system = instructions.filter((text) => text !== undefined && text !== '');
  const before: ChatMessage[] = system.length > 0 ? [{ role: 'system', content: system.join('\n\n') }] : [];
  const earlier = true;
  const shown: ChatMessage[] = [];
  let left = budget;
  for (const text of system) left -= await countTokens(text ?? '', left);
  if (window.summary) {
    const text = `Summary of the conversation so far: ${window.summary.text}`;
    const cost = MESSAGE_TOKENS + (await countTokens(text, left));
    if (cost <= left) {
      before.push({ role: 'system', content: text, earlier });
      left -= cost;
    }
  }
  for (const { role, content } of window.messages.toReversed()) {
    const message: ChatMessage = { role, ...speechOf(content), earlier };
    const cost = await costOf(message, left);
    if (cost > left) {
      const cut = await cutMessage(message, left);
      if (cut) shown.unshift({ ...cut, earlier });
      break;
    }
    left -= cost;
    shown.unshift(message);
  }
  return [...before, ...shown];
}

function languageRule(tag: string): string {
  let name = tag;
  try {
    name = new Intl.DisplayNames(['en'], { type: 'language' }).of(tag) ?? tag;
  } catch {
    // A tag that nobody knows is told as it is.
  }
  return `Answer in this language: ${name}.`;
}
