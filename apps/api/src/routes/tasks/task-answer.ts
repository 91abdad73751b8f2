/** A task as an answer. Those who ask for the same large one at a time get the same bytes. */
import { isEnd, type TaskRecord } from '@beanline/shared/task.ts';
import { taskJson } from '@beanline/shared/task-view.ts';
import type { FoundTask } from '@beanline/shared/tasks/read-task.ts';
import type { Api, ApiContext } from '../../http/context.ts';
import { COUNTED_BYTES } from '../../http/memory/byte-budget.ts';
import { reply } from '../../http/reply.ts';
import { findTask } from './task-path.ts';

/**
 * `json`: the whole answer, when it is being sent to somebody already; then the task is without its output. `input`: JSON text,
 * told only where it is asked for.
 */
type Whole = { task: FoundTask; json?: Uint8Array<ArrayBuffer>; input?: string | undefined };

const nameOf = (c: ApiContext) => `${c.get('owner')} ${c.req.param('id')}`;

/** An ended task changes no more, unless a later end of it is found. */
const tagOf = ({ lastId, endedAt }: TaskRecord) => `${lastId} ${endedAt}`;

/**
 * The task of the path, with its output. Who asks while it is read waits for that, and then reads it only where it is not being
 * sent: hundreds who ask for a large one at a time would have Redis give it hundreds of times, before anybody else's requests.
 */
export async function findWhole(api: Api, c: ApiContext): Promise<Whole> {
  const { sharedBodies } = api;
  const name = nameOf(c);
  const reading = sharedBodies.reading(name);
  if (reading) await reading.then(answered, answered);
  if (sharedBodies.has(name)) {
    const task = await findTask(api, c, 'listed');
    const json = sharedBodies.get(name, tagOf(task));
    if (json) return { task, json };
  }
  return { task: await sharedBodies.read(name, () => findTask(api, c)) };
}

/** Resolves when what was read has been answered. */
const answered = () => new Promise((resolve) => setImmediate(resolve));

export function replyTask({ deps, sharedBodies }: Api, c: ApiContext, { task, json, input }: Whole): Response {
  const headers = { 'Content-Type': 'application/json', ETag: `"${task.lastStateId}"`, 'Cache-Control': 'no-cache' };
  const text = json ? '' : taskJson(task, deps.clock.now());
  if (input !== undefined) return reply(c, 200, `${text.slice(0, -1)},"input":${input}}`, headers);
  if (!json && (!isEnd(task.status) || text.length <= COUNTED_BYTES)) return reply(c, 200, text, headers);
  const [name, tag] = [nameOf(c), tagOf(task)];
  const body = json ?? sharedBodies.get(name, tag) ?? Buffer.from(text);
  const response = reply(c, 200, body, headers);
  sharedBodies.use(name, tag, body, c.env.outgoing);
  return response;
}
