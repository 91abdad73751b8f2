/**
 * Compaction: a conversation that nearly fills what its model can read is summed up, in a step of its own, before the provider
 * would refuse it. What was asked, and the last turn with what its calls gave, stay; results that fill it by themselves are cut.
 */
import { TaskError } from '../../errors.ts';
import { estimateMessage } from '../../models/call-usage.ts';
import type { ChatMessage } from '../../provider.ts';
import { textOfContent } from '../../session.ts';
import { cutMiddle } from '../text/cut-middle.ts';
import { fenced } from '../text/fenced.ts';
import { type AgentRun, tokensOf } from './agent-run.ts';
import { runStep } from './run-step.ts';

/** The part of what a model can read from which on a conversation is summed up. */
const FULL = 0.8;
/** The part of it that is given to be summed up: the summary needs room too. */
const SUMMED = 0.6;
/** Letters that make a token, at the fewest that are usual. */
const LETTERS = 3;
/** Less than this is not summed up: a summary would hardly be shorter. */
const MIN_MESSAGES = 6;
const SUMMARY_TOKENS = 1_000;
/** What a result is cut to at the least. */
const MIN_RESULT_TOKENS = 100;

const ASK =
  'Sum up this part of a conversation between a user and an assistant that calls tools. Keep what was asked, decided and found, with names, numbers and addresses. Write only the summary.';

const written = (message: ChatMessage) => {
  const calls = message.tool_calls?.map(({ function: { name, arguments: args } }) => `${name}(${args})`) ?? [];
  return `${message.role}: ${[textOfContent(message.content), ...calls].join(' ')}`;
};

const tokensIn = (messages: readonly ChatMessage[]) =>
  messages.reduce((sum, message) => sum + estimateMessage(message), 0);

/** The conversation, summed up when it has grown too long for its model. */
export async function compacted(run: AgentRun, number: number, messages: ChatMessage[]): Promise<ChatMessage[]> {
  const { contextTokens } = run;
  if (tokensIn(messages) < FULL * contextTokens) return messages;
  // The last turn stays whole: its calls and their results belong together.
  const tail = messages.findLastIndex(({ role }) => role === 'assistant');
  const older = messages.slice(0, tail).filter(({ role }) => role !== 'system');
  if (older.length < MIN_MESSAGES) return withShortResults(messages, contextTokens);
  const asked = run.request.messages.findLast(({ role }) => role === 'user');
  const content = await summaryOf(run, number, older);
  const system = messages.filter(({ role }) => role === 'system');
  const soFar: ChatMessage = { role: 'user', content: `What was said and done so far, summed up:\n${content}` };
  return withShortResults([...system, soFar, ...(asked ? [asked] : []), ...messages.slice(tail)], contextTokens);
}

async function summaryOf(run: AgentRun, number: number, older: readonly ChatMessage[]): Promise<string> {
  const { context, request, contextTokens, over } = run;
  const tell = () => {
    const message = 'The conversation is summed up, so that the model can read it.';
    return context.emit('progress', { step: 'compacting', message });
  };
  const step = runStep(run, `compact:${number}`, {
    effect: 'none',
    async run({ llm }) {
      await tell();
      const text = cutMiddle(older.map(written).join('\n\n'), SUMMED * LETTERS * contextTokens).text;
      let content = '';
      const call = { model: request.model, max_tokens: SUMMARY_TOKENS, signal: over };
      const about: ChatMessage[] = [
        { role: 'system', content: ASK },
        { role: 'user', content: fenced('conversation', text) },
      ];
      try {
        for await (const chunk of llm.chat({ ...call, messages: about })) content += chunk.text;
      } catch (error) {
        // One that thinks first may have no room for a summary. What was said is shortened without one.
        if (!(error instanceof TaskError && error.code === 'provider_refused')) throw error;
        content = cutMiddle(text, SUMMARY_TOKENS * LETTERS).text;
      }
      return { content, tokens: tokensOf(llm.outcome().usage) };
    },
    show: tell,
  });
  const none = { content: '', tokens: 0 };
  const summary = await step.catch((error: unknown) => {
    // The run ends with what it has, and needs no summary.
    if (over.aborted) return none;
    throw error;
  });
  run.tokens += summary.tokens;
  return summary.content;
}

/** The results of one turn may fill a model by themselves: then each is cut in its middle, so that all have room. */
function withShortResults(messages: ChatMessage[], contextTokens: number): ChatMessage[] {
  const results = messages.filter(({ role }) => role === 'tool');
  const others = tokensIn(messages.filter(({ role }) => role !== 'tool'));
  const room = Math.floor((FULL * contextTokens - others) / Math.max(results.length, 1));
  if (others + tokensIn(results) < FULL * contextTokens) return messages;
  const bytes = Math.max(room, MIN_RESULT_TOKENS) * LETTERS;
  return messages.map((message) =>
    message.role === 'tool' ? { ...message, content: cutMiddle(textOfContent(message.content), bytes).text } : message,
  );
}
