/** What the handler of one attempt may touch, made of what the runner has. */
import { type ApprovalAnswer, ApprovalPending, type ApprovalRequest, type Context, type Emit } from '../context.ts';
import type { Deps, RunnerDeps } from '../deps.ts';
import type { Log } from '../log.ts';
import { createLlm } from '../models/llm.ts';
import type { AttemptRef } from '../record/task-verdicts.ts';
import { createSessionContext } from '../sessions/context.ts';
import { sha256 } from '../task-id.ts';

/** `usage`: what its model calls used; undefined when there was none. */
export function createAttemptContext(
  deps: RunnerDeps,
  options: { ref: AttemptRef; owner: string; turnOf: string | null; emit: Emit; signal: AbortSignal; log: Log },
) {
  const { ref, owner, turnOf, emit, signal, log } = options;
  const { llm, usage } = createLlm({ providers: deps.providers, idleTimeoutMs: deps.limits.idleTimeoutMs, signal });
  const context: Context = {
    taskId: ref.id,
    attempt: ref.attempt,
    emit,
    signal,
    llm,
    session: createSessionContext(deps, { owner, turnOf }),
    answers: { find: (request) => deps.answers.find(owner, request) },
    log,
    approve: (request) => approve(deps, ref.id, request),
  };
  return { context, usage };
}

export const approvalIdOf = (taskId: string, key: string) => `appr_${sha256(`${taskId}\n${key}`).slice(0, 24)}`;

/** The answer that is on the record, or the wish to be parked until there is one. */
async function approve({ tasks }: Deps, taskId: string, request: ApprovalRequest): Promise<ApprovalAnswer> {
  const answer = await tasks.readAnswer(taskId, approvalIdOf(taskId, request.key));
  if (answer === null) throw new ApprovalPending(request);
  return JSON.parse(answer);
}
