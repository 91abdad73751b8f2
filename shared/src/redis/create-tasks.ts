/**
 * Creates tasks. The first create of a partition goes to Redis at once, and those that come while it is under way go as one
 * call: each task costs Redis and this process a third less that way, and nobody waits for a window of time.
 */
import type { RedisConnection } from './connect.ts';
import type { Keys } from './keys.ts';
import { newRecord } from './new-record.ts';
import type { Run } from './scripts.ts';
import type { CreateVerdict, Limits, NewTask } from './task-verdicts.ts';

/** The zero of ranks: a minute number counted from here fits BullMQ's 2,097,151 for four years. */
const RANK_EPOCH = Date.UTC(2026, 10, 1);

/** An input up to this comes along with its create and its begin; a larger one would hold up Redis while Lua copies it. */
export const INLINE_CHARACTERS = 16_384;

/** Tasks of one call: it takes Redis about a millisecond. */
const MAX_GATHERED = 32;

type Waiting = {
  task: NewTask;
  keys: string[];
  args: (string | number)[];
  answer: PromiseWithResolvers<CreateVerdict>;
};

function verdictOf([verdict, a, b, c]: (string | number)[]): CreateVerdict {
  if (verdict === 'created') return { verdict, rank: Number(a), dueAt: Number(b), createdAt: Number(c) };
  if (verdict === 'replay') return { verdict, id: String(a) };
  if (verdict === 'full') return { verdict, what: String(a) };
  return { verdict: verdict as 'conflict' | 'late' | 'no_input' };
}

export function createTaskCreation(
  redis: RedisConnection,
  run: Run,
  { keys, partitions, limits }: { keys: Keys; partitions: number; limits: Limits },
) {
  /** By partition: those whose turn has not come, while a call is under way. */
  const gathered: (Waiting[] | undefined)[] = [];
  const share = (limit: number) => Math.ceil(limit / partitions);
  const common = [
    share(limits.maxQueueTasks),
    share(limits.maxQueueBytes),
    share(limits.maxOwnerTasks),
    RANK_EPOCH,
    limits.firstCheckMs,
  ];

  async function send(p: number, batch: Waiting[]): Promise<void> {
    const batchKeys = [keys.open(p), keys.counts(p), keys.bus(p)];
    const batchArgs: (string | number)[] = [...common];
    for (const waiting of batch) {
      batchKeys.push(...waiting.keys);
      batchArgs.push(...waiting.args);
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

  async function flush(p: number, waiting: Waiting[]): Promise<void> {
    while (waiting.length > 0) {
      const wanted = waiting.splice(0, MAX_GATHERED).filter(({ task }) => task.wanted?.() ?? true);
      if (wanted.length > 0) await send(p, wanted);
    }
    gathered[p] = undefined;
  }

  function add(p: number, waiting: Waiting): Promise<CreateVerdict> {
    const others = gathered[p];
    if (others) others.push(waiting);
    else {
      const first = [waiting];
      gathered[p] = first;
      void flush(p, first);
    }
    return waiting.answer.promise;
  }

  /** Puts the input down and creates the task. The promise of a task that is no longer `wanted` when its turn comes stays open. */
  return async function create(p: number, task: NewTask): Promise<CreateVerdict> {
    const { id, owner, idempotency, input } = task;
    const record = keys.task(p, id);
    const inline = input.length <= INLINE_CHARACTERS;
    const fields = newRecord(task);
    const waiting: Waiting = {
      task,
      keys: [
        record,
        keys.log(p, id),
        keys.input(p, id),
        keys.owner(p, owner),
        idempotency ? keys.idempotency(p, idempotency.hash) : record,
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
        fields.length,
        ...fields,
      ],
      answer: Promise.withResolvers(),
    };
    if (inline) return add(p, waiting);
    const [, verdict] = await Promise.all([redis.set(keys.input(p, id), input, 'EX', 60), add(p, waiting)]);
    return verdict;
  };
}
