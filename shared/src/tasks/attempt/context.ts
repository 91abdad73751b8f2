/** What the handler of one attempt may touch: what the kernel gives. The parts add theirs when the attempt runs. */
import {
  type ApprovalAnswer,
  ApprovalPending,
  type ApprovalRequest,
  type Context,
  type KernelContext,
} from '../../context.ts';
import type { Log } from '../../log.ts';
import { createLlm, type Providers } from '../../models/llm.ts';
import type { Attempt } from '../../part.ts';
import type { Tasks } from '../../record/tasks.ts';
import type { AnswerCache } from '../../redis/caches/answer-cache.ts';
import { canonicalJson, sha256 } from '../../task-id.ts';

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
  given: { log: Log } & Pick<KernelContext, 'emit' | 'step' | 'inbox' | 'closeInbox' | 'timeLeftMs'>,
): { context: Context; usage: ReturnType<typeof createLlm>['usage']; kept(): unknown } {
  const { id, owner, signal } = attempt;
  const { llm, usage } = createLlm({ providers: deps.providers, idleTimeoutMs: deps.limits.idleTimeoutMs, signal });
  let kept: unknown;
  const own: KernelContext & Pick<Context, 'taskId' | 'attempt'> = {
    taskId: id,
    attempt: attempt.attempt,
    ...given,
    signal,
    llm,
    answers: { find: (request) => deps.answers.find(owner, request) },
    approve: (request) => approve(deps, id, request),
    keep(part) {
      kept = part;
    },
  };
  // Each part still gives the fields by which it augments the interface.
  return { context: own as Context, usage, kept: () => kept };
}

/** What an answer is bound to: exactly this, in exactly this place of this task. */
export const argumentsHash = (taskId: string, { key, tool, arguments: given }: ApprovalRequest) =>
  sha256(canonicalJson({ task: taskId, step: key, tool, arguments: given }));

export const approvalIdOf = (taskId: string, request: ApprovalRequest) =>
  `appr_${argumentsHash(taskId, request).slice(0, 24)}`;

/** The answer that is on the record, or the wish to be parked until there is one. */
async function approve(
  { tasks }: Pick<ContextDeps, 'tasks'>,
  taskId: string,
  request: ApprovalRequest,
): Promise<ApprovalAnswer> {
  const approvalId = approvalIdOf(taskId, request);
  const { answer, earlier } = await tasks.readAnswers(taskId, approvalId);
  if (answer !== null) return answer as ApprovalAnswer;
  const { tool, actions } = request;
  // An answer that lets things run says nothing of a question that asks for something else.
  const mayRun = actions === undefined || actions.includes('run');
  const wider = earlier.find(
    (one) => mayRun && one.action === 'run' && (one.scope === 'all' || (one.scope === 'tool' && one.asked === tool)),
  );
  if (!wider) throw new ApprovalPending(request);
  return { approval_id: approvalId, action: wider.action, by: wider.by };
}
