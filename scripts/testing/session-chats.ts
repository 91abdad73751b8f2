/** A whole system whose model answers `re: <what was said>`, and its store, in which tests look and make sessions. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { type Message, makeSessionId, type Session } from '@beanline/shared/session.ts';
import { followToEnd, getTask, post, submit } from './client.ts';
import { storeOf } from './store.ts';
import { type SystemOptions, startSystem } from './system.ts';
import { HANG_MS } from './until.ts';
import { startUpstream, type UpstreamCall } from './upstream.ts';

type Shown = { role: string; content: unknown };
export type Answer = (call: UpstreamCall) => void | Promise<void>;

/** What the model was asked last. */
export const asked = (call: UpstreamCall) => String(call.body.messages.at(-1)?.content);

/** Answers as the model of these tests does. */
export const reply: Answer = (call) => {
  call.text(`re: ${asked(call)}`);
  call.finish({ usage: { prompt_tokens: 3, completion_tokens: 2 } });
};

export const OWNER = 'local';

export async function startSessions(options: SystemOptions = {}) {
  const upstream = await startUpstream(reply);
  const system = await startSystem({
    ...options,
    env: { AUTO_TITLES: 'off', ...upstream.env, ...options.env },
  }).catch(async (error) => {
    await upstream.stop();
    throw error;
  });
  const store = storeOf(system);
  /** What the model does when it is asked this; else it replies. */
  const answers = new Map<string, Answer>();
  upstream.answer = (call) => (answers.get(asked(call)) ?? reply)(call);

  async function newSession(fields: Partial<Session> = {}): Promise<string> {
    const now = Date.now();
    const session: Session = {
      id: makeSessionId(now),
      owner: OWNER,
      title: null,
      titleBy: null,
      featureMode: 'chat',
      model: null,
      featureOptions: '{}',
      createdAt: now,
      updatedAt: now,
      totalTokens: 0,
      messageCount: 0,
      summary: null,
      ...fields,
    };
    await store.sessions.create(session);
    return session.id;
  }

  const chatIn = (sessionId: string, text: string, more: Record<string, unknown> = {}) => ({
    session_id: sessionId,
    messages: [{ role: 'user', content: text }],
    ...more,
  });
  const send = (sessionId: string, text: string, more: Record<string, unknown> = {}, headers = {}) =>
    post(system.url, '/api/chat', chatIn(sessionId, text, more), headers);
  const say = (sessionId: string, text: string, more: Record<string, unknown> = {}) =>
    submit(system.url, chatIn(sessionId, text, more));

  /** The calls that asked this, in order. */
  const callsOf = (text: string) => upstream.calls.filter((call) => asked(call) === text);

  async function keptMessages(sessionId: string): Promise<Message[]> {
    return store.messages.page(OWNER, sessionId, { limit: 1_000, before: null });
  }

  return {
    ...system,
    upstream,
    store,
    answers,
    newSession,
    send,
    callsOf,
    keptMessages,

    /** Submits and gives the task id. */
    say,

    /** Submits and waits for its end. Gives the finished task. */
    async ask(sessionId: string, text: string, more: Record<string, unknown> = {}) {
      const id = await say(sessionId, text, more);
      await followToEnd(system.url, id);
      return (await getTask(system.url, id)).json;
    },

    /** What the model was shown for this, its first time. */
    shown(text: string): Shown[] {
      const [call] = callsOf(text);
      assert.ok(call, `the model was asked ${text}`);
      return call.body.messages;
    },

    /** The store's messages of a session, as soon as it has as many and has counted them; more than that are a mistake. */
    async kept(sessionId: string, count: number): Promise<Message[]> {
      const deadline = performance.now() + HANG_MS;
      for (;;) {
        const messages = await keptMessages(sessionId);
        // A MongoDB has them before they are counted.
        const counted = (await store.sessions.read(OWNER, sessionId))?.messageCount ?? 0;
        if (messages.length >= count && counted >= count) {
          assert.deepEqual([messages.length, counted], [count, count]);
          return messages;
        }
        if (performance.now() > deadline)
          assert.fail(`${messages.length} of ${count} messages in the store, ${counted} counted`);
        await delay(20);
      }
    },

    async stop() {
      await store.close();
      await system.stop();
      await upstream.stop();
    },
  };
}

export type Sessions = Awaited<ReturnType<typeof startSessions>>;

/** Texts with who said them, for comparing. */
export const lines = (messages: { role: string; content: unknown }[]) =>
  messages.map(({ role, content }) => `${role}: ${content}`);
/** The same of messages as the store has them. */
export const keptLines = (messages: Message[]) => messages.map(({ role, text }) => `${role}: ${text}`);
