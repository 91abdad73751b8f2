/** What the handler of one attempt may touch: what the kernel gives. The parts add theirs when the attempt runs. */
import {
  type ApprovalAnswer,
  ApprovalPending,
  type ApprovalRequest,
  type Context,
  type Emit,
  type KernelContext,
} from '../../context.ts';
import type { Log } from '../../log.ts';
import { createLlm, type Providers } from '../../models/llm.ts';
import type { Attempt } from '../../part.ts';
import type { Tasks } from '../../record/tasks.ts';
import type { AnswerCache } from '../../redis/caches/answer-cache.ts';
import { sha256 } from '../../task-id.ts';

export type ContextDeps = {
  providers: Providers;
  tasks: Tasks;
  answers: AnswerCache;
  limits: { idleTimeoutMs: number };
};

/** `usage`: what its model calls used; undefined when there was none. */
export function createAttemptContext(
  deps: ContextDeps,
  attempt: Attempt,
  { emit, log, step }: { emit: Emit; log: Log; step: Context['step'] },
): { context: Context; usage: ReturnType<typeof createLlm>['usage'] } {
  const { id, owner, signal } = attempt;
  const { llm, usage } = createLlm({ providers: deps.providers, idleTimeoutMs: deps.limits.idleTimeoutMs, signal });
  const own: KernelContext & Pick<Context, 'taskId' | 'attempt'> = {
    taskId: id,
    attempt: attempt.attempt,
    emit,
    signal,
    llm,
    answers: { find: (request) => deps.answers.find(owner, request) },
    log,
    approve: (request) => approve(deps, id, request),
    step,
  };
  // Each part still gives the fields by which it augments the interface.
  return { context: own as Context, usage };
}

export const approvalIdOf = (taskId: string, key: string) => `appr_${sha256(`${taskId}\n${key}`).slice(0, 24)}`;

/** The answer that is on the record, or the wish to be parked until there is one. */
async function approve(
  { tasks }: Pick<ContextDeps, 'tasks'>,
  taskId: string,
  request: ApprovalRequest,
): Promise<ApprovalAnswer> {
  const answer = await tasks.readAnswer(taskId, approvalIdOf(taskId, request.key));
  if (answer === null) throw new ApprovalPending(request);
  return JSON.parse(answer);
}
