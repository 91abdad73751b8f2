/** Which tools a run may use, and which a pipeline is made of. */
import type { Context } from '../../context.ts';
import { TaskError } from '../../errors.ts';
import type { Classification, Intent } from '../intent.ts';
import type { Tool } from '../tool.ts';
import type { AgentRequest } from './agent-run.ts';
import { findTool } from './calls/check-call.ts';

/** What answers when nothing else does. */
const FALLBACK = 'chat';

const byPriority = (a: Tool, b: Tool) => b.priority - a.priority;

/** The tools that the request allows, the likeliest first. Throws `invalid_request` for one that cannot be used here. */
export function allowedTools(context: Context, { tools, forceIntent }: AgentRequest, intent: Classification): Tool[] {
  const wanted = [intent.primary_intent, ...intent.secondary_intents];
  const rank = ({ intents }: Tool) => {
    const at = wanted.findIndex((one) => intents.includes(one));
    return at === -1 ? wanted.length : at;
  };
  const sorted = (allowed: readonly Tool[]) => allowed.toSorted((a, b) => rank(a) - rank(b) || byPriority(a, b));
  if (tools === undefined) {
    const available = [...context.tools.offered.values()];
    return sorted(forceIntent ? available.filter(({ intents }) => intents.includes(forceIntent)) : available);
  }
  return sorted(tools.map((name) => namedTool(context, name)));
}

function namedTool(context: Context, name: string): Tool {
  const found = findTool(context, name);
  if (typeof found === 'string') throw new TaskError('invalid_request', found);
  return found;
}

/** The best tool of what is wanted most, and at most one of what is wanted besides; else the one that just answers. */
export function pipelineOf(
  context: Context,
  { pipeline }: AgentRequest,
  allowed: readonly Tool[],
  { primary_intent, secondary_intents }: Classification,
): Tool[] {
  if (pipeline) return pipeline.map((name) => namedTool(context, name));
  const best = (intent: Intent | undefined) =>
    allowed.filter(({ intents }) => intent !== undefined && intents.includes(intent)).toSorted(byPriority)[0];
  const chosen = [...new Set([best(primary_intent), best(secondary_intents[0])])].filter((tool) => tool !== undefined);
  if (chosen.length > 0) return chosen;
  return [allowed.find(({ name }) => name === FALLBACK) ?? namedTool(context, FALLBACK)];
}
