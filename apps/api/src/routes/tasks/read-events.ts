/** `GET /tasks/<id>/events`: the task's events as SSE, from the beginning or after a cursor. */
import { TaskError } from '@beanline/shared/errors.ts';
import { compareIds, EventId, START } from '@beanline/shared/event.ts';
import { isEnd } from '@beanline/shared/task.ts';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { z } from 'zod';
import { askToComeBack, isEventSource, STREAM_HEADERS } from '../../encoders/sse.ts';
import { streamEvents } from '../../encoders/stream-events.ts';
import { collectProblems } from '../../http/bad-fields.ts';
import type { Api, ApiContext } from '../../http/context.ts';
import { reply } from '../../http/reply.ts';
import { type App, route } from '../../http/route.ts';
import { eventStream, none, requestHeaders } from '../../openapi/operation.ts';
import { findTask, TAG, TaskPath } from './task-path.ts';

/** No stock reader sends an empty one, but some others do before their first event. */
const LastEventId = z.union([EventId, z.literal('')], 'must be an event id such as 1-7');
const EventsQuery = z.object({ after: EventId.optional().meta({ description: 'The last event seen' }) });

/** The cursor of a request. The header beats the query: a reconnecting EventSource repeats its old URL. */
function cursorOf(c: ApiContext): string {
  const problems = collectProblems();
  const header = problems.check(LastEventId.optional(), c.req.header('last-event-id'), ['Last-Event-ID']);
  const query = problems.check(EventsQuery, c.req.query());
  if (problems.found()) throw problems.refusal();
  return header?.data || query?.data.after || START;
}

/** An EventSource gives up for good at 503: it is asked to come back. */
function orComeBack(c: ApiContext, error: unknown): Response {
  if (error instanceof TaskError && error.code === 'unavailable' && isEventSource(c)) return askToComeBack(c);
  throw error;
}

export function readEventsRoute(app: App, api: Api) {
  route(app, {
    method: 'get',
    path: '/tasks/{id}/events',
    isStream: true,
    operation: {
      operationId: 'readEvents',
      summary: 'The events of the task, to its end, from the beginning or after a cursor',
      tag: TAG,
      path: TaskPath,
      query: EventsQuery,
      header: z.object({
        ...requestHeaders,
        'Last-Event-ID': LastEventId.optional().meta({ description: 'The last event seen; beats `after`' }),
      }),
      answers: {
        200: { ...none('The events'), content: eventStream },
        204: none('The task has ended and there is nothing more'),
      },
      problems: ['not_found', 'gone'],
    },
    async handler(c) {
      const cursor = cursorOf(c);
      const task = await findTask(api, c, 'listed').catch((error: unknown) => orComeBack(c, error));
      if (task instanceof Response) return task;
      if (isEnd(task.status) && compareIds(cursor, task.lastId) >= 0) return reply(c, 204, null);
      if (c.env.incoming.method === 'HEAD') return reply(c, 200, null, STREAM_HEADERS);
      try {
        streamEvents(api, c, api.streams.open(c.get('caller')), task, cursor);
        return RESPONSE_ALREADY_SENT;
      } catch (error) {
        return orComeBack(c, error);
      }
    },
  });
}
