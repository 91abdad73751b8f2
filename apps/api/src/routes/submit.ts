/**
 * Submits: one route per public job type, `POST /tasks` for any of them, `POST /tasks/<id>/retry`, and what may be done for a
 * session.
 */

import { TaskError } from '@beanline/shared/errors.ts';
import { START } from '@beanline/shared/event.ts';
import type { JobType } from '@beanline/shared/job-type.ts';
import { allows } from '@beanline/shared/owner.ts';
import { turnIdOf } from '@beanline/shared/session.ts';
import { readSession } from '@beanline/shared/sessions/read-session.ts';
import { isEnd, type Status, type StoredStatus, statusAt, taskJson, taskUrls } from '@beanline/shared/task.ts';
import { readRequest } from '@beanline/shared/tasks/read-request.ts';
import { type FoundTask, readTask } from '@beanline/shared/tasks/read-task.ts';
import { type SubmitRequest, submitTask } from '@beanline/shared/tasks/submit-task.ts';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Hono } from 'hono';
import { streamEvents } from '../encoders/sse.ts';
import { OPEN_CALLER } from '../http/access.ts';
import { requireScope } from '../http/authenticate.ts';
import { invalid, readJson, readJsonIfAny } from '../http/body.ts';
import type { Api, ApiContext, ApiEnv } from '../http/context.ts';
import { preferredWait, wantsEvents } from '../http/prefer.ts';
import { parseQuery } from '../http/query.ts';
import { replyJson } from '../http/reply.ts';
import { waitForEvent } from '../http/wait.ts';
import type { Accepted } from '../openapi/answers.ts';
import { SessionTaskQuery } from './session-request.ts';
import { SESSIONS, sessionIdOf } from './sessions.ts';
import { sessionTypes } from './submit-paths.ts';
import { parseSubmit, splitBody, splitTaskBody } from './submit-request.ts';
import { findTask } from './tasks.ts';

// Straight from Node's parser: the Web headers of a request are built only when they are asked for.
const headerOf = (c: ApiContext, name: string) => c.env.incoming.headers[name]?.toString();

/** The turn in which a task asked its question; undefined when it never began: its retry is the first to ask. */
const askedTurn = ({ id, startedAt, endedAt }: FoundTask) =>
  startedAt === null || endedAt === null ? undefined : turnIdOf({ id, endedAt });

/** Whether a `Prefer: wait` ends here: the task has ended, or waits for a person. */
const rests = (status: StoredStatus) => isEnd(status) || status === 'input_required';
const isRest = (type: string) => type === 'done' || type === 'human_approval';

export function submitRoutes(app: Hono<ApiEnv>, api: Api) {
  const { deps, config } = api;
  const { clock, catalog } = deps;

  const contextOf = (c: ApiContext) => ({
    now: clock.now(),
    owner: c.get('owner'),
    spread: c.get('caller') !== OPEN_CALLER,
    requestId: c.get('requestId'),
    taskTimeoutMs: config.TASK_TIMEOUT_MS,
  });
  const headersOf = (c: ApiContext) => ({
    idempotencyKey: headerOf(c, 'idempotency-key'),
    traceparent: headerOf(c, 'traceparent'),
  });

  async function accept(c: ApiContext, request: SubmitRequest): Promise<Response> {
    const stream = wantsEvents(headerOf(c, 'accept'));
    if (stream) requireScope(c, 'read');
    const place = stream ? api.streams.open(c.get('caller')) : null;
    const { submitted, found } = await submitOrAttach(c, request).catch((error: unknown) => {
      place?.close();
      throw error;
    });
    const { id, replayed } = submitted;
    const headers: Record<string, string> = {
      Location: `/tasks/${id}`,
      ...(replayed ? { 'Idempotency-Replayed': 'true' } : {}),
    };
    // A task just created needs no read: its record is known.
    const created = { id, lastId: '0-1', status: 'queued' as const };
    let task: FoundTask | undefined = found;

    if (place) {
      streamEvents(api, c, place, task ?? created, START, { ...headers, 'X-Task-Id': id });
      return RESPONSE_ALREADY_SENT;
    }
    const { caller } = c.var;
    const seconds = allows(caller.scopes, 'read') ? preferredWait(headerOf(c, 'prefer')) : 0;
    if (seconds > 0) {
      const from = task ?? created;
      // Only what comes after the record counts: an approval that was answered is no reason to stop waiting.
      if (!rests(from.status))
        await waitForEvent(api, caller, from, from.lastId, seconds * 1_000, c.req.raw.signal, isRest);
      // The task is accepted, so an outage now must not answer as if it were not.
      task = await readTask(deps, c.get('owner'), id).catch(() => task);
      // The key may have gone while the request waited.
      const mayRead = await api.access.isValid(caller).catch(() => false);
      if (mayRead && task && isEnd(task.status)) {
        return replyJson(c, 200, taskJson(task, clock.now()), {
          ...headers,
          'Preference-Applied': `wait=${seconds}`,
        });
      }
    }
    const createdAt = task?.createdAt ?? (submitted.replayed ? 0 : submitted.createdAt);
    const isAhead = !submitted.replayed && submitted.dueAt > submitted.createdAt;
    const status: Status = task ? statusAt(task, clock.now()) : isAhead ? 'scheduled' : 'queued';
    return replyJson(
      c,
      202,
      {
        task_id: id,
        type: request.type.name,
        status,
        created_at: new Date(createdAt).toISOString(),
        urls: taskUrls(id),
      } satisfies Accepted,
      headers,
    );
  }

  /** `found` is the task of an earlier request with the same Idempotency-Key. */
  async function submitOrAttach(c: ApiContext, request: SubmitRequest) {
    const submitted = await submitTask(deps, request);
    return { submitted, found: submitted.replayed ? await replayedTask(c.get('owner'), submitted.id) : undefined };
  }

  async function replayedTask(owner: string, id: string): Promise<FoundTask> {
    try {
      return await readTask(deps, owner, id, 'listed');
    } catch (error) {
      if (!(error instanceof TaskError) || error.code !== 'not_found') throw error;
      throw new TaskError('gone', 'The task of this Idempotency-Key is past its retention.');
    }
  }

  async function submitOwn(c: ApiContext, type: JobType) {
    const parts = splitBody(await readJson(c.env.incoming, config));
    return accept(c, parseSubmit(type, parts, headersOf(c), contextOf(c)));
  }

  for (const type of catalog.values()) if (type.route) app.post(type.route, (c) => submitOwn(c, type));

  app.post('/tasks', async (c) => {
    const { type: name, ...parts } = splitTaskBody(await readJson(c.env.incoming, config));
    const type = catalog.get(name);
    if (!type) {
      const known = [...catalog.keys()].join(', ');
      throw new TaskError('unknown_type', `There is no job type of this name. There are: ${known}.`, {
        fields: [{ path: 'type', message: `must be one of: ${known}` }],
      });
    }
    return accept(c, parseSubmit(type, parts, headersOf(c), contextOf(c)));
  });

  for (const [end, type] of sessionTypes(catalog)) {
    app.post(`${SESSIONS}/:session/${end}`, async (c) => {
      const session = sessionIdOf(c);
      await readSession(deps, c.get('owner'), session);
      const asked = parseQuery(SessionTaskQuery, c);
      const { rawInput: given, ...parts } = splitBody((await readJsonIfAny(c.env.incoming, config)) ?? {});
      if (given.session_id !== undefined) throw invalid([{ path: 'session_id', message: 'is that of the path' }]);
      const rawInput = { ...asked, ...given, session_id: session };
      return accept(c, parseSubmit(type, { ...parts, rawInput }, headersOf(c), contextOf(c)));
    });
  }

  app.post('/tasks/:id/retry', async (c) => {
    const task = await findTask(api, c, 'listed');
    if (!isEnd(task.status))
      throw new TaskError('conflict', 'The task has not ended; only an ended task can be retried.');
    const type = catalog.get(task.type);
    const stored = await readRequest(deps, task);
    if (!type || stored === null) throw new TaskError('gone', 'The input of this task is past its retention.');
    const parts = { rawInput: JSON.parse(stored.input), rawOptions: {}, inputPath: ['input'] };
    const request = parseSubmit(type, parts, headersOf(c), contextOf(c));
    return accept(c, {
      ...request,
      retryOf: task.id,
      turnOf: task.turnOf ?? askedTurn(task),
      options: {
        ...request.options,
        priority: task.priority,
        metadata: task.metadata,
        timeoutMs: stored.timeoutMs,
        maxAttempts: task.maxAttempts,
      },
    });
  });
}
