/** `POST /tasks/<id>/approvals/<approval_id>`: a person's answer, once, in time, to what is asked now. */
import type { FieldError } from '@beanline/shared/errors.ts';
import { TaskError } from '@beanline/shared/errors.ts';
import type { Approval } from '@beanline/shared/task.ts';
import { statusAt, taskUrls } from '@beanline/shared/task-view.ts';
import { answerApproval, answerEntry, noApproval } from '@beanline/shared/tasks/answer-approval.ts';
import { cancelTask } from '@beanline/shared/tasks/cancel-task.ts';
import { type FoundTask, readTask } from '@beanline/shared/tasks/read-task.ts';
import { z } from 'zod';
import { invalid, parseFields } from '../../http/bad-fields.ts';
import { readJson } from '../../http/body.ts';
import type { Api, ApiContext } from '../../http/context.ts';
import { type App, route } from '../../http/route.ts';
import { taskOf } from '../../openapi/job-types.ts';
import { requestHeaders } from '../../openapi/operation.ts';
import { answerWithTask } from '../submit/accept.ts';
import { submitAnswers } from '../submit/submit-operation.ts';
import { SubmitHeaders } from '../submit/submit-request.ts';
import { findTask, TAG, TaskPath } from './task-path.ts';

const ApprovalPath = TaskPath.extend({
  approval: z
    .string()
    .min(1)
    .meta({ description: 'The question, from `human_approval` or the task', param: { id: 'approval' } }),
});

const Answer = z
  .strictObject({
    action: z.string().min(1).max(64).meta({
      description:
        'One of the `actions` of the question: `run`, `deny`, `cancel` (the whole task), `change_tool`; or `results` of functions of your own',
    }),
    tool: z.string().min(1).max(128).optional().meta({ description: 'With `change_tool`: the tool to use instead' }),
    arguments: z
      .unknown()
      .optional()
      .meta({ description: 'With `run` or `change_tool`: what the tool is given instead of what was shown' }),
    arguments_hash: z
      .string()
      .max(128)
      .optional()
      .meta({ description: 'The hash that was shown; another one than the current is a conflict' }),
    scope: z
      .enum(['once', 'tool', 'all'])
      .optional()
      .meta({ description: 'With `run`: what else in this task needs no further answer; default `once`, nothing' }),
    results: z
      .array(
        z.strictObject({
          id: z.string().min(1).max(256).meta({ description: 'Which call, from the `arguments` of the question' }),
          content: z.string().meta({ description: 'What it gave, for the model' }),
          is_error: z.boolean().optional().meta({ description: 'That it failed, which the content then says' }),
        }),
      )
      .min(1)
      .max(100)
      .optional()
      .meta({ description: 'With `results`: what the functions of your own have given, all of the question' }),
    reason: z
      .string()
      .max(2_000)
      .optional()
      .meta({ description: 'Why, for the handler and for those who read the task' }),
  })
  .meta({ id: 'ApprovalAnswer', examples: [{ action: 'run' }] });
type Answer = z.output<typeof Answer>;

/** What does not fit the question, or itself. */
function problemsOf({ actions }: Approval, answer: Answer): FieldError[] {
  const { action } = answer;
  const problems: FieldError[] = [];
  if (!actions.includes(action)) problems.push({ path: 'action', message: `must be one of: ${actions.join(', ')}` });
  const only = (name: 'tool' | 'arguments' | 'scope' | 'results', allowed: string[]) => {
    if (answer[name] !== undefined && !allowed.includes(action)) {
      problems.push({ path: name, message: `is only for ${allowed.join(' and ')}` });
    }
  };
  only('tool', ['change_tool']);
  only('arguments', ['run', 'change_tool']);
  only('scope', ['run']);
  only('results', ['results']);
  if (action === 'change_tool' && answer.tool === undefined) {
    problems.push({ path: 'tool', message: 'names the tool to use instead' });
  }
  if (action === 'results' && answer.results === undefined) {
    problems.push({ path: 'results', message: 'holds what the functions have given' });
  }
  return problems;
}

/** What the job type and the parts find wrong with it. */
async function foundBy({ deps }: Api, task: FoundTask, asked: Approval, answer: Answer): Promise<FieldError[]> {
  const type = deps.catalog.get(task.type);
  if (!type) return [];
  const found = await Promise.all(deps.parts.map((part) => part.answering?.({ type, asked, answer }) ?? []));
  return [...(type.answerProblems?.(asked, answer) ?? []), ...found.flat()];
}

/** The question that waits. Whatever else it may have been, it is no answer's any more. */
function waitingApproval(task: FoundTask, approvalId: string): Approval {
  if (task.status !== 'input_required' || task.approval?.approval_id !== approvalId) throw noApproval();
  return task.approval;
}

async function give({ deps }: Api, c: ApiContext, task: FoundTask, approval: Approval, answer: Answer): Promise<void> {
  const { action, arguments_hash, ...more } = answer;
  if (arguments_hash !== undefined && arguments_hash !== approval.arguments_hash) {
    throw new TaskError('conflict', 'The arguments are not those that were shown.');
  }
  const reply = { approvalId: approval.approval_id, asked: approval.tool, action, by: c.get('owner'), more };
  if (action !== 'cancel') return answerApproval(deps, task, reply);
  const { verdict } = await cancelTask(deps, task, { approvalId: reply.approvalId, entry: answerEntry(reply) });
  if (verdict !== 'cancelled') throw noApproval();
}

/**
 * Answers what the task asks, and replies with the task in the form that the headers ask for. `path` leads to the answer in the
 * request's body. Without an approval's id it is whatever is asked now.
 */
export async function answerTask(
  api: Api,
  c: ApiContext,
  task: FoundTask,
  given: { approvalId?: string | undefined; body: unknown; path?: string[] },
): Promise<Response> {
  const { deps } = api;
  const { approvalId = task.approval?.approval_id ?? '', body, path: prefix = [] } = given;
  const answer = parseFields(Answer, body, prefix);
  const approval = waitingApproval(task, approvalId);
  const problems = [...problemsOf(approval, answer), ...(await foundBy(api, task, approval, answer))];
  if (problems.length > 0) {
    throw invalid(...problems.map(({ path, message }) => ({ path: [...prefix, path].join('.'), message })));
  }
  return answerWithTask(api, c, async () => {
    await give(api, c, task, approval, answer);
    // A cancel has ended it; after any other answer it waits for a runner.
    const ended = answer.action === 'cancel' ? await readTask(deps, task.owner, task.id) : undefined;
    return {
      id: task.id,
      from: ended ?? { ...task, status: 'queued' },
      after: task.lastId,
      task: ended,
      headers: {},
      accepted: (now) => ({
        task_id: task.id,
        type: task.type,
        status: now ? statusAt(now, deps.clock.now()) : 'queued',
        created_at: new Date(task.createdAt).toISOString(),
        urls: taskUrls(task.id),
      }),
    };
  });
}

export function answerApprovalRoute(app: App, api: Api) {
  const { deps } = api;
  route(app, {
    method: 'post',
    path: '/tasks/{id}/approvals/{approval}',
    operation: {
      operationId: 'answerApproval',
      tag: TAG,
      header: SubmitHeaders.pick({ Prefer: true }).extend(requestHeaders),
      answers: submitAnswers(taskOf(deps.catalog)),
      summary: 'Answers what the task asks a person, once and in time; the task goes on from there',
      path: ApprovalPath,
      body: { schema: Answer, example: { action: 'run' } },
      problems: ['not_found', 'gone', 'conflict'],
    },
    async handler(c) {
      const task = await findTask(api, c, 'listed');
      return answerTask(api, c, task, { approvalId: c.req.param('approval'), body: await readJson(c) });
    },
  });
}
