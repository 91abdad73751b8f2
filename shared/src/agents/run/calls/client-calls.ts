/** Calls of functions that only the client has: all of one turn park the task together, until it sends what they gave. */
import type { ToolCall } from '../../../provider.ts';
import type { AgentRun } from '../agent-run.ts';
import { tellOnce } from '../tell-once.ts';
import { shownResult } from '../text-of.ts';
import { parseArguments } from './check-call.ts';
import type { Called } from './tool-call.ts';

/** What a question about them names as its tool. */
export const CLIENT_TOOLS = 'client_tools';

export const isOfClient = ({ request }: AgentRun, { function: { name } }: ToolCall) =>
  request.clientTools.some((tool) => tool.function.name === name);

/** A call as the question shows it. */
export type AskedCall = { id: string; name: string; arguments: unknown };

function askedCall({ id, function: { name, arguments: text } }: ToolCall): AskedCall {
  const parsed = parseArguments(text);
  return { id, name, arguments: 'given' in parsed ? parsed.given : text };
}

/** Throws ApprovalPending until the client has answered. What it gave comes back in the order of the calls. */
export async function askClient(run: AgentRun, key: string, calls: readonly ToolCall[]): Promise<Called[]> {
  const { context, request } = run;
  await tellOnce(run, `${key}/calls`, async () => {
    for (const [index, { id, function: named }] of calls.entries()) {
      await context.emit('tool_call', { index, id, name: named.name, arguments: named.arguments });
    }
  });
  const asked = calls.map(askedCall);
  const { results = [], action } = await context.approve({
    key,
    tool: CLIENT_TOOLS,
    arguments: asked,
    expiresInMs: request.approvalTimeoutMs,
    onExpiry: request.onExpiry,
    actions: ['results', 'cancel'],
  });
  const called = asked.map(({ id, name, arguments: args }): Called => {
    const given = results.find((result) => result.id === id);
    const nothing = action === 'expired' ? 'Nobody answered in time.' : 'The client gave no result.';
    const status = given && !given.is_error ? 'completed' : 'error';
    return { tool: name, arguments: args, result: shownResult(given?.content ?? nothing), status, text: '', tokens: 0 };
  });
  await tellOnce(run, `${key}/results`, async () => {
    for (const { tool, result, status } of called) await context.emit('tool_result', { tool, result, status });
  });
  run.noteResults(called);
  return called;
}
