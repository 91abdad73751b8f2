/** `session.summary`: puts the older part of a conversation into a few words, which the model is shown from then on. */
import { z } from 'zod';
import { defineJobType } from '../../job-type.ts';
import type { Spoken } from '../../session.ts';
import { ask, cut } from './model-text.ts';
import { sessionInput } from './session-input.ts';

/** Fewer messages are not worth a call. */
const MIN_MESSAGES = 5;
/** Characters that the model is shown of each message, and of all at once; the rest comes with the next call. */
const SHOWN_OF_EACH = 500;
const SHOWN = 3_000;
/** Calls of one task: what is left then waits for the next turn of the session. */
const MAX_CALLS = 10;
const MAX_SUMMARY = 2_000;

const PROMPT =
  'Summarise this conversation for somebody who goes on with it: what was asked, decided and is still open, names and numbers as they are, in its own language. Answer with the summary only.';

/** The next messages that go into one call. */
function batchOf(messages: Spoken[]): { batch: Spoken[]; text: string } {
  let text = '';
  const batch: Spoken[] = [];
  for (const message of messages) {
    const line = `${message.role}: ${cut(message.text, SHOWN_OF_EACH)}\n`;
    if (text.length + line.length > SHOWN && batch.length >= MIN_MESSAGES) break;
    text += line;
    batch.push(message);
  }
  return { batch, text };
}

/** Without a model: the beginnings of what was asked, the newest last. */
function quote(before: string, batch: Spoken[]): string {
  const asked = batch
    .filter(({ role }) => role === 'user')
    .map(({ text }) => `- ${cut(text.replace(/\s+/g, ' '), 100)}`);
  return [...(before === '' ? [] : [before]), ...asked].join('\n').slice(-MAX_SUMMARY).toWellFormed();
}

export const sessionSummary = defineJobType({
  name: 'session.summary',
  concurrency: 2,
  attempts: 2,
  timeoutMs: 300_000,
  background: true,
  input: sessionInput('Summarises the part of a session that calls are no longer shown'),
  output: z.object({
    summary: z.string().nullable().meta({ description: 'The summary; null when there is too little to summarise' }),
    up_to: z.string().nullable().meta({ description: 'The last message it covers' }),
    messages: z.int().meta({ description: 'How many messages it covers' }),
  }),
  sessionOf: ({ session_id }) => session_id,

  async run({ session_id, model }, { llm, session, emit }) {
    let { summary: last, messages: left } = await session.older(session_id);
    let summary = last?.text ?? '';
    let upTo = last?.upTo ?? null;
    let covered = last?.messages ?? 0;
    for (let call = 0; call < MAX_CALLS && left.length >= MIN_MESSAGES; call++) {
      const { batch, text } = batchOf(left);
      const content = summary === '' ? text : `Summary of what came before: ${summary}\n\n${text}`;
      const answer = await ask(llm, { model, system: PROMPT, user: content, enough: MAX_SUMMARY });
      const said = llm.outcome().isModel ? cut(answer, MAX_SUMMARY) : quote(summary, batch);
      // A model that says nothing must not make the conversation forgotten.
      if (said === '') break;
      summary = said;
      upTo = batch.at(-1)?.id ?? upTo;
      covered += batch.length;
      await emit('progress', { step: 'summarising', message: `${covered} messages`, progress: (call + 1) / MAX_CALLS });
      left = left.slice(batch.length);
      if (left.length < MIN_MESSAGES) ({ messages: left } = await session.older(session_id, upTo ?? undefined));
    }
    return { summary: summary || null, up_to: upTo, messages: covered };
  },

  change({ session_id }, { status, output, endedAt }) {
    if (status !== 'completed' || !output?.summary || output.up_to === null) return null;
    const { summary: text, up_to: upTo, messages } = output;
    return { sessionId: session_id, summary: { text, upTo, messages, createdAt: endedAt } };
  },
});
