/** What every submit does with its body: checks it, creates the task, and answers in the form that the headers ask for. */
import { TaskError } from '@beanline/shared/errors.ts';
import { START } from '@beanline/shared/event.ts';
import type { JobType } from '@beanline/shared/job-type.ts';
import { allows } from '@beanline/shared/owner.ts';
import { isEnd, type StoredStatus } from '@beanline/shared/task.ts';
import { type Status, statusAt, taskJson, taskUrls } from '@beanline/shared/task-view.ts';
import { type FoundTask, readTask } from '@beanline/shared/tasks/read-task.ts';
import { type SubmitRequest, type Submitted, submitTask } from '@beanline/shared/tasks/submit-task.ts';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { streamEvents } from '../../encoders/stream-events.ts';
import { OPEN_CALLER } from '../../http/access/access.ts';
import { requireScope } from '../../http/access/authenticate.ts';
import type { Api, ApiContext } from '../../http/context.ts';
import { hasRoom } from '../../http/memory/large-answer.ts';
import { replyJson } from '../../http/reply.ts';
import { waitForEvent } from '../../http/wait.ts';
import type { Accepted } from '../../openapi/answers.ts';
import type { Attached } from './attached.ts';
import { preferredWait, wantsEvents } from './prefer.ts';
import { steer } from './steer.ts';
import { type BodyParts, parseSubmit } from './submit-request.ts';

// Straight from Node's parser: the Web headers of a request are built only when they are asked for.
const headerOf = (c: ApiContext, name: string) => c.env.incoming.headers[name]?.toString();

/** Whether a `Prefer: wait` ends here: the task has ended, or waits for a person. */
const rests = (status: StoredStatus) => isEnd(status) || status === 'input_required';
const isRest = (type: string) => type === 'done' || type === 'human_approval';

/** What is known of a task that was just created, without reading it. */
const createdTask = (id: string, owner: string) => ({ id, owner, lastId: '0-1', status: 'queued' as const });

/** The submit that the body's parts and the headers ask for. Throws `invalid_request` with every bad field of both. */
export function submitRequest({ deps, config }: Api, c: ApiContext, type: JobType, parts: BodyParts): SubmitRequest {
  const headers = { idempotencyKey: headerOf(c, 'idempotency-key'), traceparent: headerOf(c, 'traceparent') };
  return parseSubmit(type, parts, headers, {
    now: deps.clock.now(),
    owner: c.get('owner'),
    spread: c.get('caller') !== OPEN_CALLER,
    requestId: c.get('requestId'),
    taskTimeoutMs: config.TASK_TIMEOUT_MS,
  });
}

/**
 * Creates the task and answers with its events, with the finished task, or with 202. `waitSeconds`: how long it is waited for
 * where the request says nothing of that.
 */
export function accept(api: Api, c: ApiContext, request: SubmitRequest, waitSeconds = 0): Promise<Response> {
  const work = async () => {
    const steered = await steer(api, request);
    if (steered) return steered;
    const { submitted, found } = await submitOrAttach(api, request);
    const { id, replayed } = submitted;
    return {
      id,
      from: found ?? createdTask(id, request.owner),
      after: START,
      task: found,
      headers: replayed ? { 'Idempotency-Replayed': 'true' } : {},
      accepted: (task: FoundTask | undefined) => acceptedJson(request.type.name, submitted, task, api.deps.clock.now()),
    };
  };
  return answerWithTask(api, c, work, waitSeconds);
}

/**
 * Does what brings the task on its way, then answers in the form that the headers ask for: its events, the finished task, or
 * 202. A stream has its place before anything is done.
 */
export async function answerWithTask(
  api: Api,
  c: ApiContext,
  work: () => Promise<Attached>,
  waitSeconds = 0,
): Promise<Response> {
  const stream = wantsEvents(headerOf(c, 'accept'));
  if (stream) requireScope(c, 'read');
  const place = stream ? api.streams.open(c.get('caller')) : null;
  const {
    id,
    from,
    after,
    task: found,
    accepted,
    ...rest
  } = await work().catch((error: unknown) => {
    place?.close();
    throw error;
  });
  const headers = { Location: `/tasks/${id}`, ...rest.headers };
  if (place) {
    streamEvents(api, c, place, from, after, { ...headers, 'X-Task-Id': id });
    return RESPONSE_ALREADY_SENT;
  }
  const preferred = preferredWait(headerOf(c, 'prefer'));
  const seconds = allows(c.get('caller').scopes, 'read') ? (preferred ?? waitSeconds) : 0;
  const task = seconds > 0 ? await waitedFor(api, c, from, found, seconds) : found;
  if (seconds > 0 && task && isEnd(task.status) && (await mayStillRead(api, c))) {
    const whole = taskJson(task, api.deps.clock.now());
    // Accepted it is in any case: where its output is too much to hold now, the client reads it later.
    const applied = preferred === null ? {} : { 'Preference-Applied': `wait=${seconds}` };
    if (hasRoom(c, whole)) return replyJson(c, 200, whole, { ...headers, ...applied });
  }
  return replyJson(c, 202, accepted(task), headers);
}

/** `found` is the task of an earlier request with the same Idempotency-Key. */
async function submitOrAttach({ deps }: Api, request: SubmitRequest) {
  const submitted = await submitTask(deps, request);
  return { submitted, found: submitted.replayed ? await replayedTask(deps, request.owner, submitted.id) : undefined };
}

async function replayedTask(deps: Api['deps'], owner: string, id: string): Promise<FoundTask> {
  try {
    return await readTask(deps, owner, id, 'listed');
  } catch (error) {
    if (!(error instanceof TaskError) || error.code !== 'not_found') throw error;
    throw new TaskError('gone', 'The task of this Idempotency-Key is past its retention.');
  }
}

/** The task as it is when it rests, or when the wait is over. */
async function waitedFor(
  api: Api,
  c: ApiContext,
  from: Attached['from'],
  found: FoundTask | undefined,
  seconds: number,
) {
  // Only what comes after the record counts: an approval that was answered is no reason to stop waiting.
  if (!rests(from.status)) {
    await waitForEvent(api, c, from, from.lastId, seconds * 1_000, isRest);
  }
  // The task is accepted, so an outage now must not answer as if it were not.
  return readTask(api.deps, from.owner, from.id).catch(() => found);
}

/** The key may have gone while the request waited. */
const mayStillRead = ({ access }: Api, c: ApiContext) => access.isValid(c.get('caller')).catch(() => false);

/** `task` is undefined when it was just created and not read. */
function acceptedJson(type: string, submitted: Submitted, task: FoundTask | undefined, now: number): Accepted {
  const { id } = submitted;
  const createdAt = task?.createdAt ?? (submitted.replayed ? 0 : submitted.createdAt);
  const isAhead = !submitted.replayed && submitted.dueAt > submitted.createdAt;
  const status: Status = task ? statusAt(task, now) : isAhead ? 'scheduled' : 'queued';
  return {
    task_id: id,
    type,
    status,
    created_at: new Date(createdAt).toISOString(),
    urls: taskUrls(id),
  };
}
