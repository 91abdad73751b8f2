/**
 * Compaction: a conversation that nearly fills what its model can read is summed up, in a step of its own, before the provider
 * would refuse it. What was asked, and the last turn with what its calls gave, stay as they are.
 */
import { estimateMessage } from '../../models/call-usage.ts';
import type { ChatMessage } from '../../provider.ts';
import { cutMiddle } from '../text/cut-middle.ts';
import { fenced } from '../text/fenced.ts';
import { type AgentRun, tokensOf } from './agent-run.ts';
import { runStep } from './run-step.ts';
import { textOfMessage } from './text-of.ts';

/** The part of what a model can read from which on a conversation is summed up. */
const FULL = 0.8;
/** The part of it that is given to be summed up: the summary needs room too. */
const SUMMED = 0.6;
/** Letters that make a token, at the fewest that are usual. */
const LETTERS = 3;
/** Less than this is not summed up: a summary would hardly be shorter. */
const MIN_MESSAGES = 6;
const SUMMARY_TOKENS = 1_000;

const ASK =
  'Sum up this part of a conversation between a user and an assistant that calls tools. Keep what was asked, decided and found, with names, numbers and addresses. Write only the summary.';

const written = (message: ChatMessage) => {
  const calls = message.tool_calls?.map(({ function: { name, arguments: args } }) => `${name}(${args})`) ?? [];
  return `${message.role}: ${[textOfMessage(message), ...calls].join(' ')}`;
};

/** The conversation, summed up when it has grown too long for its model. */
export async function compacted(run: AgentRun, number: number, messages: ChatMessage[]): Promise<ChatMessage[]> {
  const { context, contextTokens } = run;
  const estimate = messages.reduce((sum, message) => sum + estimateMessage(message), 0);
  // The last turn stays whole: its calls and their results belong together.
  const tail = messages.findLastIndex(({ role }) => role === 'assistant');
  const older = messages.slice(0, tail).filter(({ role }) => role !== 'system');
  if (estimate < FULL * contextTokens || older.length < MIN_MESSAGES) return messages;
  const asked = run.request.messages.findLast(({ role }) => role === 'user');
  const summary = await runStep(run, `compact:${number}`, {
    effect: 'none',
    async run({ llm }) {
      await tell();
      const text = cutMiddle(older.map(written).join('\n\n'), SUMMED * LETTERS * contextTokens).text;
      let content = '';
      const call = { model: run.request.model, max_tokens: SUMMARY_TOKENS, signal: run.over };
      const about: ChatMessage[] = [
        { role: 'system', content: ASK },
        { role: 'user', content: fenced('conversation', text) },
      ];
      for await (const chunk of llm.chat({ ...call, messages: about })) content += chunk.text;
      return { content, tokens: tokensOf(llm.outcome().usage) };
    },
    show: tell,
  });
  run.tokens += summary.tokens;
  const system = messages.filter(({ role }) => role === 'system');
  const soFar: ChatMessage = { role: 'user', content: `What was said and done so far, summed up:\n${summary.content}` };
  return [...system, soFar, ...(asked ? [asked] : []), ...messages.slice(tail)];

  function tell() {
    const message = 'The conversation is summed up, so that the model can read it.';
    return context.emit('progress', { step: 'compacting', message });
  }
}
