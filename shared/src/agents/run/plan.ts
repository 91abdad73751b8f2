/**
 * The plan of a run: its mode, what is wanted, and the tools that it may call or that follow one another. Made once, so that every
 * attempt goes the same way whichever runner it is on.
 */
import type { Context } from '../../context.ts';
import { TaskError } from '../../errors.ts';
import type { Classification } from '../intent.ts';
import { missingTool } from '../registry/missing-tool.ts';
import type { Tool } from '../tool.ts';
import { type AgentRequest, type Mode, tokensOf } from './agent-run.ts';
import { allowedTools, pipelineOf } from './choose-tools.ts';
import { understand } from './understand.ts';

type Plan = { mode: Mode; intent: Classification; tools: string[]; tokens: number };

export async function plan(context: Context, request: AgentRequest): Promise<Omit<Plan, 'tools'> & { tools: Tool[] }> {
  const { step, emit, tools } = context;
  const tell = async ({ intent: { reasoning: _, ...intent }, tools: names }: Plan) => {
    await emit('intent', intent);
    await emit('tool_select', { tools: names, count: names.length });
  };
  const made = await step<Plan>('plan', {
    effect: 'none',
    async run(given) {
      const mode = await modeOf(context, request);
      const { modelMs } = context.intents;
      const intent = await understand(request, mode, given, { modelMs, leftMs: context.timeLeftMs() });
      const names = toolsOf(context, request, mode, intent).map(({ name }) => name);
      const planned = { mode, intent, tools: names, tokens: tokensOf(given.llm.outcome().usage) };
      await tell(planned);
      return planned;
    },
    show: tell,
  });
  return { ...made, tools: made.tools.map((name) => tools.offered.get(name) ?? missingTool(name)) };
}

function toolsOf(context: Context, request: AgentRequest, mode: Mode, intent: Classification): Tool[] {
  const allowed = allowedTools(context, request, intent);
  return mode === 'pipeline'
    ? pipelineOf(context, request, allowed, intent)
    : allowed.filter(({ forModels }) => forModels);
}

/** A pipeline where the client names one, or the model calls no tools; else the loop. */
async function modeOf({ llm }: Context, { mode, pipeline, clientTools, model }: AgentRequest): Promise<Mode> {
  if (mode === 'pipeline' || (mode === undefined && pipeline)) return 'pipeline';
  const { tools } = await llm.describe(model);
  if (tools) return 'loop';
  if (mode === undefined && clientTools.length === 0) return 'pipeline';
  const what = mode === 'loop' ? 'The mode loop needs' : 'client_tools need';
  throw new TaskError(
    'provider_refused',
    `The model ${await llm.resolve(model)} calls no tools. ${what} one that does.`,
  );
}
