/** Does several calls, in their order or at once, and notes what came of them. */
import { ApprovalPending } from '../../../context.ts';
import { type AgentRun, isOver } from '../agent-run.ts';
import type { Called } from './tool-call.ts';

const MAX_AT_ONCE = 5;

/**
 * Those that need nobody's word have ended before a person is asked: throws the ApprovalPending of the first that does. What the run
 * has no tokens or no time for is not begun.
 */
export async function performAll(run: AgentRun, calls: readonly (() => Promise<Called>)[]): Promise<Called[]> {
  const atOnce = run.request.parallel ? MAX_AT_ONCE : 1;
  const all: Called[] = [];
  for (let first = 0; first < calls.length && !isOver(run); first += atOnce) {
    const settled = await Promise.allSettled(calls.slice(first, first + atOnce).map((call) => call()));
    const called = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    run.noteResults(called);
    const reasons = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    if (reasons.length > 0) throw reasons.find((reason) => !(reason instanceof ApprovalPending)) ?? reasons[0];
    all.push(...called);
  }
  return all;
}
