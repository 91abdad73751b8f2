/**
 * A run, from the request to its answer: what is wanted, by which tools, in which mode. It is gone through from its start by every
 * attempt; each piece of it is a step, so that what is finished is not done again.
 */
import type { Context } from '../../context.ts';
import type { ChatMessage } from '../../provider.ts';
import type { ToolOutcome } from '../tool.ts';
import { type AgentOutput, type AgentRequest, type AgentRun, NO_MODEL } from './agent-run.ts';
import { runLoop } from './loop.ts';
import { runPipeline } from './pipeline.ts';
import { plan } from './plan.ts';
import { queryOf } from './understand.ts';

/** So much of an attempt's time is left for what is still to be written: the smaller of the two. */
const END_MS = 2_000;
const END_PART = 0.2;

function nearlyOver(leftMs: number): AbortSignal {
  return AbortSignal.timeout(Math.floor(leftMs - Math.min(END_MS, END_PART * leftMs)));
}

/** What is kept of a run that ends before its time. */
type Kept = Pick<AgentOutput, 'intent' | 'mode' | 'results' | 'steps' | 'model' | 'provider'> & {
  heard: ChatMessage['content'][];
};

export async function runAgent(context: Context, request: AgentRequest): Promise<AgentOutput> {
  const { mode, intent, tools, tokens } = await plan(context, request);
  const results: ToolOutcome[] = [];
  const heard: ChatMessage['content'][] = [];
  const kept: Kept = { intent, mode, results, heard, steps: 0, model: '', provider: '' };
  context.keep(kept);
  const run: AgentRun = {
    ...{ context, request, intent, results, heard, tokens },
    query: queryOf(request),
    noteResults: (outcomes) => void results.push(...outcomes.map(outcomeOf)),
    told: new Set(),
    noteStep: (by) => {
      kept.steps++;
      if (by) Object.assign(kept, { model: by.model, provider: by.provider });
    },
    isFull: false,
    contextTokens: (await context.llm.describe(request.model)).contextTokens ?? request.contextTokens,
    over: nearlyOver(context.timeLeftMs()),
  };
  const answered = await (mode === 'loop' ? runLoop(run, tools) : runPipeline(run, tools));
  const { content, finishReason, model, provider, steps } = answered;
  return {
    success: results.every(({ status }) => status === 'completed'),
    ...{ content, tool_count: results.length, results, intent, mode, model, provider, steps },
    finish_reason: finishReason,
    ...(heard.length > 0 ? { heard } : {}),
  };
}

const outcomeOf = ({ tool, arguments: args, result, status }: ToolOutcome): ToolOutcome => ({
  tool,
  arguments: args,
  result,
  status,
});

const longer = <T>(a: T[] = [], b: T[] = []) => (b.length > a.length ? b : a);

/** What there is of a run that ended before its time. `text` stands after what stood before a person was asked. */
export function partialOutput(
  text: string,
  by: { model: string; provider: string },
  more: { kept: unknown; before: unknown },
): AgentOutput | null {
  const before = more.before as AgentOutput | null;
  const kept = more.kept as Kept | undefined;
  const { intent, mode } = kept ?? before ?? {};
  if (intent === undefined || mode === undefined) return null;
  // An attempt finds one by one what earlier ones have finished.
  const results = longer(kept?.results, before?.results);
  const heard = longer(kept?.heard, before?.heard);
  return {
    success: false,
    content: (before?.content ?? '') + text,
    ...{ tool_count: results.length, results, intent, mode },
    model: by.model || kept?.model || before?.model || NO_MODEL,
    provider: by.provider || kept?.provider || before?.provider || NO_MODEL,
    finish_reason: 'incomplete',
    steps: Math.max(kept?.steps ?? 0, before?.steps ?? 0),
    ...(heard.length > 0 ? { heard } : {}),
  };
}
