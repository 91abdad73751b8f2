/** The loop: the model is given tools, calls them, and is told what they gave, until it answers without a call. */
import type { ChatMessage } from '../../provider.ts';
import { functionOf } from '../registry/functions.ts';
import type { Tool } from '../tool.ts';
import { type AgentRun, type Answered, isOver, LIMIT, NO_MODEL } from './agent-run.ts';
import { answerCalls, noRepeats } from './calls/turn-calls.ts';
import { compacted } from './compaction.ts';
import { hear } from './hear.ts';
import { modelTurn, type Turn } from './model-turn.ts';
import { PROMPT } from './prompt.ts';
import { propose } from './proposal.ts';
import { untilFull } from './run-step.ts';

/** Some models want back what they thought when they called. */
const said = ({ text, reasoning, calls }: Turn): ChatMessage =>
  calls.length === 0
    ? { role: 'assistant', content: text }
    : { role: 'assistant', content: text, tool_calls: calls, ...(reasoning === '' ? {} : { reasoning }) };

export async function runLoop(run: AgentRun, offered: readonly Tool[]): Promise<Answered> {
  const { context, request } = run;
  const { emit } = context;
  const tools = [...offered.filter(({ forModels }) => forModels).map(functionOf), ...request.clientTools];
  const names = new Set([...offered, ...request.clientTools.map((tool) => tool.function)].map(({ name }) => name));
  const known = { offered, repeats: noRepeats() };
  let messages: ChatMessage[] = [{ role: 'system', content: PROMPT }, ...request.messages];
  let answered: Answered = { content: '', finishReason: LIMIT, model: NO_MODEL, provider: NO_MODEL, steps: 0 };
  await untilFull(turns);
  if (answered.content !== '') await emit('text_done', { total_length: answered.content.length });
  return answered;

  async function turns() {
    while (answered.steps < request.maxSteps && !isOver(run)) {
      const number = answered.steps + 1;
      messages = await compacted(run, number, messages);
      if (isOver(run)) return;
      messages.push(...(await hear(run, `turn:${number}`)));
      const turn = await modelTurn(run, number, messages, tools);
      const { text, calls, finishReason, model, provider } = turn;
      answered = { content: answered.content + text, finishReason: LIMIT, model, provider, steps: number };
      messages.push(said(turn));
      if (calls.length === 0) {
        // A message that came meanwhile has one more turn.
        if (finishReason !== LIMIT && !(await context.closeInbox())) continue;
        answered = { ...answered, finishReason };
        return;
      }
      if (isOver(run)) return;
      const named = calls.map((call) => call.function.name).filter((name) => names.has(name));
      if (named.length > 0) await propose(run, named);
      const { messages: told, ended } = await answerCalls(run, number, turn, known);
      if (ended) return;
      messages.push(...told);
    }
  }
}
