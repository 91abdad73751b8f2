/** What the fault tests share: a whole system with a scripted model, a reader that rides out outages, and the invariants. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { partitionOf } from '@beanline/shared/task-id.ts';
import { type ClientEvent, chat, checkEnded, getTask, readStream, submit } from '../testing/client.ts';
import { type Program, type System, type SystemOptions, startSystem } from '../testing/system.ts';
import { HANG_MS, until } from '../testing/until.ts';
import { numberedWords, startUpstream, type Upstream, type UpstreamCall } from '../testing/upstream.ts';

type Answer = (call: UpstreamCall) => void | Promise<void>;

/** The partition of a task in the Redis of this run: one on a single server, 64 on a Cluster. */
export const partitionIn = (id: string) => partitionOf(id, process.env.TEST_ON_CLUSTER ? 64 : 1);

export const words = (count: number) => numberedWords(count).join('');

/** Sends some words, then nothing more, until the connection closes. */
export const wordsThenSilence =
  (count: number): Answer =>
  (call) => {
    for (const word of numberedWords(count)) call.text(word);
  };

/** Sends a word each `delayMs` until the connection closes. */
export const endlessWords =
  (delayMs: number): Answer =>
  async (call) => {
    for (let index = 0; !call.response.destroyed; index++) {
      call.text(`w${index} `);
      await delay(delayMs);
    }
  };

/** Sends some words, one each 50 ms, and their end as soon as it may come. */
export const heldWords =
  (count: number, mayEnd: Promise<void>): Answer =>
  async (call) => {
    for (const word of numberedWords(count)) {
      if (call.response.destroyed) return;
      call.text(word);
      await delay(50);
    }
    await mayEnd;
    if (!call.response.destroyed) call.finish();
  };

/** Lets every task have a model of its own: its n-th call gets the n-th answer, and all further ones the last. */
function modelsOf(upstream: Upstream) {
  const models = new Map<unknown, (call: UpstreamCall) => void | Promise<void>>();
  upstream.answer = (call) => models.get(call.body.messages.at(-1)?.content)?.(call);
  let count = 0;
  return function model(...answers: [Answer, ...Answer[]]) {
    const prompt = `prompt ${++count}`;
    const calls: UpstreamCall[] = [];
    const bell = new EventEmitter().setMaxListeners(0);
    models.set(prompt, (call) => {
      calls.push(call);
      bell.emit('call');
      return (answers[calls.length - 1] ?? answers.at(-1))?.(call);
    });
    return {
      prompt,
      calls,
      /** The n-th call for this prompt, counted from 1, now or when it comes. */
      async call(number: number): Promise<UpstreamCall> {
        while (calls.length < number) await once(bell, 'call');
        return calls[number - 1] as UpstreamCall;
      },
    };
  };
}

/** A system and its model server. `start` makes a chat task whose model answers as told. */
export async function startFaults(options: SystemOptions = {}) {
  const upstream = await startUpstream();
  const system = await startSystem({ ...options, env: { ...upstream.env, ...options.env } }).catch(async (error) => {
    await upstream.stop();
    throw error;
  });
  const model = modelsOf(upstream);
  return {
    ...system,
    upstream,
    model,
    async start(answers: [Answer, ...Answer[]], more: Record<string, unknown> = {}) {
      const scripted = model(...answers);
      const id = await submit(system.url, chat(scripted.prompt, more));
      return { id, ...scripted };
    },
    async stop() {
      await system.stop();
      await upstream.stop();
    },
  };
}

export type Faults = Awaited<ReturnType<typeof startFaults>>;

/**
 * All events of a task as a patient client gets them: it comes back with the last id it saw, also while the API answers
 * 503 or is not there. `see` hears each as it arrives; when it answers true, following ends there.
 */
export async function follow(
  url: string | (() => string),
  id: string,
  {
    see,
    after,
    timeoutMs = HANG_MS,
  }: { see?: (event: ClientEvent) => unknown; after?: string | undefined; timeoutMs?: number } = {},
): Promise<ClientEvent[]> {
  const seen: ClientEvent[] = [];
  const signal = AbortSignal.timeout(timeoutMs);
  while (!signal.aborted) {
    const last = seen.at(-1)?.id ?? after;
    try {
      const base = typeof url === 'string' ? url : url();
      const response = await fetch(`${base}/tasks/${id}/events`, {
        signal,
        ...(last === undefined ? {} : { headers: { 'Last-Event-ID': last } }),
      });
      assert.ok(response.status === 200 || response.status === 503, `GET events answered ${response.status}`);
      if (response.status === 200) {
        for await (const event of readStream(response)) {
          seen.push(event);
          if (see?.(event) === true || event.type === 'done') return seen;
        }
      } else await response.body?.cancel();
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
    }
    await delay(25);
  }
  throw new Error(`no end of ${id} within ${timeoutMs} ms; seen ${JSON.stringify(seen.slice(-5))}`);
}

/** Follows a task until an event of this kind. */
export const followUntil = (url: string, id: string, type: string) =>
  follow(url, id, { see: (event) => event.type === type });

/** Follows a task to its end and checks that the stream was the log: whole, in order, with one `done`. */
export async function followWhole(url: string, id: string): Promise<ClientEvent[]> {
  const seen = await follow(url, id);
  await checkEnded(url, id, seen);
  return seen;
}

/** The program that runs an attempt, by the worker its `started` event names. */
export function programOf(programs: Program[], seen: ClientEvent[]): Program {
  const worker: string = seen.findLast(({ type }) => type === 'started')?.data.worker ?? '';
  const found = programs.find(({ child }) => worker.endsWith(`:${child.pid}`));
  assert.ok(found, `${worker} is one of the runners`);
  return found;
}

/** No more upstream calls than attempts (I4). Gives the task. */
export async function checkCalls(url: string, { id, calls }: { id: string; calls: UpstreamCall[] }) {
  const { json } = await getTask(url, id);
  assert.ok(calls.length <= json.attempt, `${calls.length} upstream calls in ${json.attempt} attempts of ${id}`);
  return json;
}

/** What is wrong in Redis when nothing should be open: keys that leaked, tasks without their one end. */
const LEFTOVERS = `
local left = {}
local kept = { 'task', 'log', 'input', 'steps', 'inbox', 'owner', 'idem', 'outbox', 'cursors', 'lease', 'archived' }
local queue = { 'meta', 'events', 'id', 'pc', 'marker', 'stalled%-check' }
-- What is cached of sessions, owners and answers; of turns none is left.
local cached = { 'session', 'window', 'owner', 'lists', 'list', 'context' }
local function among(rest, names)
  for _, name in ipairs(names) do
    if string.find(rest, '^' .. name .. '$') or string.find(rest, '^' .. name .. ':') then return name end
  end
end
local ended = { completed = true, failed = true, cancelled = true, expired = true }
for _, key in ipairs(redis.call('KEYS', 'bl:*')) do
  local tag, rest = string.match(key, '^bl:{([^}]+)}:(.+)$')
  if tag and string.find(tag, '^%d+$') then
    local kind = among(rest, kept)
    if not kind then left[#left + 1] = key end
    if kind == 'task' then
      local status = redis.call('HGET', key, 'status')
      if not ended[status] then left[#left + 1] = key .. ' is ' .. tostring(status) end
      local dones = 0
      for _, entry in ipairs(redis.call('XRANGE', string.gsub(key, ':task:', ':log:', 1), '-', '+')) do
        if entry[2][2] == 'done' then dones = dones + 1 end
      end
      if dones ~= 1 then left[#left + 1] = key .. ' has ' .. dones .. ' done events' end
    elseif kind == 'input' or kind == 'log' or kind == 'inbox' then
      if redis.call('EXISTS', (string.gsub(key, ':' .. kind .. ':', ':task:', 1))) == 0 then left[#left + 1] = key end
    end
  elseif tag and string.find(tag, '^[so]:') then
    if not among(rest, cached) or redis.call('TTL', key) < 0 then left[#left + 1] = key end
  elseif tag then
    if not among(rest, queue) then left[#left + 1] = key end
  end
end
for _, channel in ipairs(redis.call('PUBSUB', 'SHARDCHANNELS')) do left[#left + 1] = 'subscribed ' .. channel end
return table.concat(left, ', ')`;

/**
 * Every task has its one end, and nothing is left open: index, counts, jobs, locks, subscriptions (I1, I6). A job
 * whose runner died outlives its task by the lock and two checks for stalled jobs.
 */
export async function checkClean({ redis }: Pick<System, 'redis'>): Promise<void> {
  let left = '';
  await until('nothing is left open', async () => {
    left = (await redis.everywhere('eval', LEFTOVERS, '0')).filter(Boolean).join(', ');
    return left === '';
  }).catch((error: unknown) => {
    throw new assert.AssertionError({ message: `left in Redis: ${left} (${(error as Error).message})` });
  });
}
