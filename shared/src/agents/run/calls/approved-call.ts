/** Whether a person lets a call run: as it is, with other arguments, by another tool, or not at all. */
import type { ApprovalAnswer } from '../../../context.ts';
import { missingTool } from '../../registry/missing-tool.ts';
import type { AgentRun } from '../agent-run.ts';
import { checkArguments } from './check-call.ts';
import { type Called, type CheckedCall, tellEnded } from './tool-call.ts';

function mustAsk({ request: { requireApproval } }: AgentRun, { tool, args }: CheckedCall): boolean {
  const { approval } = tool;
  if (approval === 'always' || (typeof approval === 'function' && approval(args))) return true;
  return typeof requireApproval === 'boolean' ? requireApproval : requireApproval.includes(tool.name);
}

/** What the model is told of a call that was not run. */
function refusal({ action, reason }: ApprovalAnswer): string {
  if (action === 'expired') return 'This was NOT run: nobody approved it in time.';
  return `This was NOT run: a person denied it.${reason === undefined ? '' : ` Their reason: ${reason}`}`;
}

/**
 * The call that may run, or what it has come to without running. Asks a person where it must, which parks the task: throws
 * ApprovalPending.
 */
export async function approvedCall(run: AgentRun, call: CheckedCall): Promise<CheckedCall | { refused: Called }> {
  if (!mustAsk(run, call)) return call;
  const { approvalTimeoutMs, onExpiry } = run.request;
  const { key, tool, args } = call;
  const answer = await run.context.approve({
    key,
    tool: tool.name,
    arguments: args,
    expiresInMs: approvalTimeoutMs,
    onExpiry,
  });
  const refuse = async (result: string) => ({ refused: await tellEnded(run, `${key}/refused`, call, { result }) });
  if (answer.action === 'run' && answer.arguments === undefined) return call;
  if (answer.action !== 'run' && answer.action !== 'change_tool') return refuse(refusal(answer));
  const { tool: wanted = '' } = answer;
  const { offered } = run.context.tools;
  const other = answer.action === 'run' ? tool : (offered.get(wanted) ?? missingTool(wanted));
  const changed = checkArguments(other, answer.arguments ?? other.argumentsOf?.(run.query, run.results) ?? args);
  if ('problem' in changed) return refuse(`This was NOT run. ${changed.problem}`);
  return { ...call, tool: other, args: changed.args };
}
