/** One turn of the model: its text as it comes, and the calls it makes. A step, so that no finished turn is paid twice. */
import { addToolCalls } from '../../models/tool-calls.ts';
import type { ChatMessage, ChatTool, ToolCall } from '../../provider.ts';
import { type AgentRun, LIMIT, tokensOf } from './agent-run.ts';
import { runStep } from './run-step.ts';

export type Turn = {
  text: string;
  reasoning: string;
  calls: ToolCall[];
  model: string;
  provider: string;
  finishReason: string;
  /** What the model has read and written. */
  inputTokens: number;
  outputTokens: number;
};

export async function modelTurn(
  run: AgentRun,
  number: number,
  messages: ChatMessage[],
  tools: ChatTool[],
): Promise<Turn> {
  const { context, request, over } = run;
  const { emit } = context;
  const turn = await runStep<Turn>(run, `turn:${number}`, {
    effect: 'none',
    async run({ llm }) {
      const { settings, model } = request;
      const offered = tools.length === 0 ? {} : { tools };
      const calls: ToolCall[] = [];
      let text = '';
      let reasoning = '';
      try {
        for await (const chunk of llm.chat({ ...settings, model, messages, ...offered, signal: over })) {
          if (chunk.reasoning) {
            reasoning += chunk.reasoning;
            await emit('reasoning', { content: chunk.reasoning });
          }
          addToolCalls(calls, chunk.toolCalls);
          text += chunk.text;
          await emit.text(chunk.text);
        }
      } catch (error) {
        if (!over.aborted) throw error;
      }
      const { usage, ...outcome } = llm.outcome();
      const { inputTokens, outputTokens } = usage;
      const said = { text, reasoning, model: outcome.model, provider: outcome.provider, inputTokens, outputTokens };
      // A turn that was cut short has made no call: its arguments may be half of what they were to be.
      if (over.aborted) return { ...said, calls: [], finishReason: LIMIT };
      return { ...said, calls, finishReason: outcome.finish_reason };
    },
    async show({ text, reasoning }) {
      if (reasoning !== '') await emit('reasoning', { content: reasoning });
      await emit.text(text);
    },
  });
  run.tokens += tokensOf(turn);
  run.noteStep(turn);
  return turn;
}
