/** `session.title`: names a session by its first words, once, when nobody has named it. */
import { z } from 'zod';
import { defineJobType } from '../../job-type.ts';
import { ask, cut, withoutThoughts } from './model-text.ts';
import { sessionInput } from './session-input.ts';

/** Characters of the conversation that the model is shown, and of the title. */
const SHOWN = 500;
const MAX_TITLE = 50;
const UNNAMED = 'New Chat';

const PROMPT = `Give this conversation a title of at most six words, in its own language. Answer with the title only.`;

/** A model's answer as a title: its first line, without what models like to put around it. */
export function cleanTitle(text: string): string {
  const line = withoutThoughts(text)
    .split('\n')
    .map((one) => one.replace(/^[\s#*>-]+/, '').trim())
    .find(Boolean);
  const bare = (line ?? '')
    .replace(/^(title|제목)\s*[:：]\s*/i, '')
    .replace(/^[\s"'“”‘’«»「」『』`*_]+|[\s"'“”‘’«»「」『』`*_]+$/g, '')
    .replace(/\s+/g, ' ');
  return cut(bare.toWellFormed(), MAX_TITLE);
}

export const sessionTitle = defineJobType({
  name: 'session.title',
  concurrency: 2,
  attempts: 2,
  timeoutMs: 60_000,
  background: true,
  input: sessionInput('Names a session; a title that a person gave stays'),
  output: z.object({ title: z.string().meta({ description: 'The title, at most 50 characters' }) }),
  sessionOf: ({ session_id }) => session_id,

  async run({ session_id, model }, { llm, session }) {
    const said = await session.first(session_id);
    const shown = said.map(({ role, text }) => `${role}: ${text}`).join('\n');
    const user = cut(shown, SHOWN);
    const answer = shown === '' ? '' : await ask(llm, { model, system: PROMPT, user, enough: SHOWN });
    const own = llm.outcome().isModel ? cleanTitle(answer) : '';
    const title = own || cleanTitle(said.find(({ role }) => role === 'user')?.text ?? '') || UNNAMED;
    return { title };
  },

  change: ({ session_id }, { status, output }) =>
    status === 'completed' && output ? { sessionId: session_id, title: output.title } : null,
});
