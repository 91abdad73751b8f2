/** What the document says of every submit. */
import type { ErrorCode } from '@beanline/shared/errors.ts';
import type { JobType } from '@beanline/shared/job-type.ts';
import type { z } from 'zod';
import type { Api } from '../../http/context.ts';
import { Accepted } from '../../openapi/answers.ts';
import { accepted, task as taskExample } from '../../openapi/examples.ts';
import { taskOf } from '../../openapi/job-types.ts';
import { answerHeaders, eventStream, json, type Operation, requestHeaders } from '../../openapi/operation.ts';
import { taskLinks } from '../tasks/task-path.ts';
import { taskExampleOf } from './bodies.ts';
import { SubmitHeaders } from './submit-request.ts';

/** The task finished in time, its events, or that it was accepted. The examples are those of a job type where there is one. */
export function submitAnswers(task: z.ZodType, more: Record<string, z.ZodType> = {}, type?: JobType) {
  const headers = { Location: answerHeaders.location, ...more };
  const links = taskLinks('$response.body#/task_id');
  const finished = json(
    'The finished task, with `Prefer: wait`; its events, with `Accept: text/event-stream`',
    task,
    type ? taskExampleOf(type) : taskExample,
    {
      ...headers,
      'Preference-Applied': answerHeaders.preferenceApplied,
      'X-Task-Id': answerHeaders.taskId,
    },
  );
  return {
    200: { ...finished, content: { ...finished.content, ...eventStream } },
    202: { ...json('Accepted', Accepted, type ? { ...accepted, type: type.name } : accepted, headers), links },
  };
}

/** The operation of a submit: what is its own, and what all of them share. */
export function submitOperation(
  { deps }: Api,
  { problems = [], type, ...own }: Omit<Operation, 'tag' | 'header' | 'answers'> & { type?: JobType },
): Operation {
  const codes: ErrorCode[] = [...problems, 'gone', 'idempotency_conflict', 'queue_full'];
  const header = SubmitHeaders.extend(requestHeaders);
  return {
    ...own,
    tag: 'Submit',
    header,
    answers: submitAnswers(taskOf(deps.catalog), { 'Idempotency-Replayed': answerHeaders.replayed }, type),
    problems: codes,
  };
}
