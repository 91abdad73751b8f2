/** What the document says of submits. */
import type { Catalog, JobType } from '@beanline/shared/job-type.ts';
import type { z } from 'zod';
import type { ZodOpenApiMediaTypeObject } from 'zod-openapi';
import { Accepted } from '../../openapi/answers.ts';
import { bodyOf, exampleOf, nameOf, sessionBodyOf, taskBodyOf, taskExamplesOf } from '../../openapi/job-types.ts';
import {
  answerHeaders,
  eventStream,
  json,
  ownerProblems,
  type Paths,
  problems,
  requestHeaders,
  SessionPath,
  TAGS,
  TaskPath,
  taskLinks,
} from '../../openapi/operation.ts';
import { SessionTaskQuery } from '../sessions/session-request.ts';
import { SESSIONS } from '../sessions/sessions.ts';
import { SubmitHeaders } from './submit-request.ts';

/** Job types that need nothing but a session, by the end of their route. */
const SESSION_TYPES = { title: 'session.title', summary: 'session.summary' };

/** Those that this catalog has. */
export const sessionTypes = (catalog: Catalog): [string, JobType][] =>
  Object.entries(SESSION_TYPES).flatMap(([end, name]) => {
    const type = catalog.get(name);
    return type ? [[end, type]] : [];
  });

const submitProblems = [...ownerProblems, 'gone', 'idempotency_conflict', 'queue_full'] as const;
const bodyProblems = ['payload_too_large', 'unsupported_media_type'] as const;

/** The answers of all submits: the task finished in time, its events, or that it was accepted. */
function submitted(task: z.ZodType) {
  const headers = { Location: answerHeaders.location, 'Idempotency-Replayed': answerHeaders.replayed };
  const links = taskLinks('$response.body#/task_id');
  const finished = json('The finished task, with `Prefer: wait`; its events, with `Accept: text/event-stream`', task, {
    ...headers,
    'Preference-Applied': answerHeaders.preferenceApplied,
    'X-Task-Id': answerHeaders.taskId,
  });
  return {
    200: { ...finished, content: { ...finished.content, ...eventStream } },
    202: { ...json('Accepted', Accepted, headers), links },
  };
}

export function submitPaths(catalog: Catalog, task: z.ZodType): Paths {
  const requestParams = { header: SubmitHeaders.extend(requestHeaders) };
  const responses = submitted(task);
  const body = (schema: z.ZodType, shown: Pick<ZodOpenApiMediaTypeObject, 'example' | 'examples'>) => ({
    required: true,
    content: { 'application/json': { schema, ...shown } },
  });
  const own = [...catalog.values()].flatMap((type): [string, Paths[string]][] => {
    if (!type.route) return [];
    const example = exampleOf(type);
    const operation = {
      operationId: `submit${nameOf(type)}`,
      summary: `Submits a task of type ${type.name}`,
      tags: [TAGS.submit],
      requestParams,
      requestBody: body(bodyOf(type), example === undefined ? {} : { example }),
      responses: { ...responses, ...problems('not_found', ...bodyProblems, ...submitProblems) },
    };
    return [[type.route, { post: operation }]];
  });
  const ofSessions = sessionTypes(catalog).map(([end, type]): [string, Paths[string]] => [
    `${SESSIONS}/{session}/${end}`,
    {
      post: {
        operationId: `submit${nameOf(type)}`,
        summary: `Submits a task of type ${type.name} for the session`,
        tags: [TAGS.submit],
        requestParams: { ...requestParams, path: SessionPath, query: SessionTaskQuery },
        requestBody: {
          content: { 'application/json': { schema: sessionBodyOf(type), example: { model: 'builtin/extract' } } },
        },
        responses: { ...responses, ...problems('not_found', ...bodyProblems, ...submitProblems) },
      },
    },
  ]);
  return {
    ...Object.fromEntries([...own, ...ofSessions]),
    '/tasks': {
      post: {
        operationId: 'submitTask',
        summary: 'Submits a task of any type',
        tags: [TAGS.submit],
        requestParams,
        requestBody: body(taskBodyOf(catalog), { examples: taskExamplesOf(catalog) }),
        responses: { ...responses, ...problems('unknown_type', 'not_found', ...bodyProblems, ...submitProblems) },
      },
    },
    '/tasks/{id}/retry': {
      post: {
        operationId: 'retryTask',
        summary: 'Submits a new task of the same input, linked by `retry_of`; only an ended task can be retried',
        tags: [TAGS.submit],
        requestParams: { ...requestParams, path: TaskPath },
        responses: { ...responses, ...problems('not_found', 'conflict', ...submitProblems) },
      },
    },
  };
}
