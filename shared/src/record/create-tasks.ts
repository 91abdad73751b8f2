/**
 * Creates tasks. The first create of a partition goes to Redis at once, and those that come while it is under way go as one
 * call: each task costs Redis and this process a third less that way, and nobody waits for a window of time.
 */
import { away } from '../redis/away.ts';
import type { RedisConnection } from '../redis/connect.ts';
import type { Keys } from '../redis/keys.ts';
import { archivedKeyOf } from '../task-id.ts';
import { newRecord } from './new-record.ts';
import type { Run } from './scripts.ts';
import type { CreateVerdict, Limits, NewTask } from './task-verdicts.ts';

/** The zero of ranks: a minute number counted from here fits BullMQ's 2,097,151 for four years. */
const RANK_EPOCH = Date.UTC(2026, 10, 1);

/** An input up to this comes along with its create and its begin; a larger one would hold up Redis while Lua copies it. */
export const INLINE_BYTES = 16_384;

/** How long an input waits for its create, in seconds. */
const INPUT_S = 60;

/** What one call takes of tasks and of their inputs: about a millisecond of Redis. */
const MAX_GATHERED = 32;
const MAX_GATHERED_BYTES = 256 * 1024;
/** Full calls of a partition under way at once, beside the one that takes what comes. */
const MAX_FULL_CALLS = 7;

type Waiting = {
  task: NewTask;
  keys: string[];
  args: (string | number)[];
  /** Bytes of the input when it comes along. */
  inline: number | null;
  answer: PromiseWithResolvers<CreateVerdict>;
};
/** The tasks of a partition whose turn has not come, the full calls under way, and whether there is one that takes what comes. */
type Line = { waiting: Waiting[]; full: number; open: boolean };

function verdictOf([verdict, a, b, c]: (string | number)[]): CreateVerdict {
  if (verdict === 'created') return { verdict, rank: Number(a), dueAt: Number(b), createdAt: Number(c) };
  if (verdict === 'replay') return { verdict, id: String(a) };
  if (verdict === 'full') return { verdict, what: String(a) };
  return { verdict: verdict as 'conflict' | 'archived' | 'late' | 'no_input' };
}

/** As many of those who wait first as one call takes. */
function takeNext(waiting: Waiting[]): Waiting[] {
  let bytes = 0;
  let count = 0;
  for (const { inline } of waiting) {
    bytes += inline ?? 0;
    if (count === MAX_GATHERED || (count > 0 && bytes > MAX_GATHERED_BYTES)) break;
    count++;
  }
  return waiting.splice(0, count);
}

export function createTaskCreation(
  redis: RedisConnection,
  run: Run,
  { keys, partitions, limits }: { keys: Keys; partitions: number; limits: Limits },
) {
  const lines: Line[] = [];
  const share = (limit: number) => Math.ceil(limit / partitions);
  const common = [
    share(limits.maxQueueTasks),
    share(limits.maxQueueBytes),
    share(limits.maxOwnerTasks),
    RANK_EPOCH,
    limits.firstCheckMs,
  ];

  async function send(p: number, batch: Waiting[]): Promise<void> {
    const batchKeys = [keys.open(p), keys.counts(p), keys.outbox(p)];
    const batchArgs: (string | number)[] = [...common];
    for (const { task, inline, keys: taskKeys, args } of batch) {
      batchKeys.push(...taskKeys);
      batchArgs.push(...args);
      // On the same connection, so it is there when the script looks; if Redis did not take it, the verdict says so.
      if (inline === null) redis.set(keys.input(p, task.id), task.input, 'EX', INPUT_S).catch(() => undefined);
    }
    try {
      const verdicts = await run<(string | number)[][]>('create', batchKeys, batchArgs);
      batch.forEach(({ answer }, index) => {
        answer.resolve(verdictOf(verdicts[index] ?? []));
      });
    } catch (error) {
      for (const { answer } of batch) answer.reject(error);
    }
  }

  /** Sends what waits, one call after the other: whatever there is, or only what fills a call. */
  async function sendAll(p: number, line: Line, what: 'any' | 'full'): Promise<void> {
    const { waiting } = line;
    if (what === 'any') line.open = true;
    else line.full++;
    while (waiting.length >= (what === 'any' ? 1 : MAX_GATHERED)) {
      const wanted: Waiting[] = [];
      for (const one of takeNext(waiting)) {
        if (one.task.wanted?.() ?? true) wanted.push(one);
        else one.answer.reject(away());
      }
      if (wanted.length > 0) await send(p, wanted);
    }
    // In one step with the last look, or who came between would be left behind.
    if (what === 'any') line.open = false;
    else line.full--;
  }

  function add(p: number, waiting: Waiting): Promise<CreateVerdict> {
    lines[p] ??= { waiting: [], full: 0, open: false };
    const line = lines[p];
    line.waiting.push(waiting);
    if (!line.open) void sendAll(p, line, 'any');
    // A distant Redis: whole calls need not wait for the one that is under way.
    else if (line.waiting.length >= MAX_GATHERED && line.full < MAX_FULL_CALLS) void sendAll(p, line, 'full');
    return waiting.answer.promise;
  }

  /** Puts the input down and creates the task. One that is no longer `wanted` when its turn comes is not sent: `unavailable`. */
  return function create(p: number, task: NewTask): Promise<CreateVerdict> {
    const { id, owner, idempotency, input } = task;
    const record = keys.task(p, id);
    const bytes = Buffer.byteLength(input);
    const inline = bytes <= INLINE_BYTES;
    const fields = newRecord(task, bytes);
    return add(p, {
      task,
      keys: [
        record,
        keys.log(p, id),
        keys.input(p, id),
        keys.owner(p, owner),
        idempotency ? keys.idempotency(p, idempotency.hash) : record,
        idempotency ? keys.archivedIdempotency(p, idempotency.hash) : record,
      ],
      args: [
        id,
        task.notAfter,
        idempotency?.fingerprint ?? '',
        task.headStartMs,
        task.runAt,
        task.delayMs,
        // A partition counts its own tasks only.
        task.spread ? limits.spreadMs * partitions : 0,
        JSON.stringify({ type: task.type, priority: task.priority }),
        inline ? input : '',
        idempotency && !idempotency.isNew ? archivedKeyOf(idempotency.hash) : '',
        fields.length,
        ...fields,
      ],
      inline: inline ? bytes : null,
      answer: Promise.withResolvers(),
    });
  };
}
