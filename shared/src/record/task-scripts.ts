/** The scripts of everybody but a runner's attempts: create, cancel, answer, and hold back. */
import type { RedisConnection } from '../redis/connect.ts';
import type { Keys } from '../redis/keys.ts';
import { createTaskCreation } from './create-tasks.ts';
import type { Run } from './scripts.ts';
import type { TaskKeys } from './task-keys.ts';
import type {
  AdjustOptions,
  AdjustVerdict,
  CancelOptions,
  CancelVerdict,
  CreateVerdict,
  Limits,
  NewTask,
} from './task-verdicts.ts';

const json = JSON.stringify;

type Answer = {
  approvalId: string;
  nonce: string;
  answer: Record<string, unknown>;
  resumed: Record<string, unknown>;
};

export function createTaskScripts(
  redis: RedisConnection,
  run: Run,
  { keys, taskKeys, partitions, limits }: { keys: Keys; taskKeys: TaskKeys; partitions: number; limits: Limits },
) {
  const create = createTaskCreation(redis, run, { keys, partitions, limits });

  return {
    /** Puts the input down and creates the task. */
    create(task: NewTask): Promise<CreateVerdict> {
      return create(taskKeys(task.id).p, task);
    },

    async cancel(id: string, owner: string, options: CancelOptions): Promise<CancelVerdict> {
      const { common, input, owner: ownerIndex, inbox } = taskKeys(id);
      const args = [id, options.nonce, limits.cancelGraceMs, options.withdraw ? '1' : '0'];
      const answer = options.answer ? [options.answer.approvalId, json(options.answer.entry)] : ['', ''];
      const [verdict, at] = await run('cancel', [...common, input, ownerIndex(owner), inbox], [...args, ...answer]);
      if (verdict === 'cancelled' || verdict === 'requested') return { verdict, at: Number(at) };
      return { verdict: verdict as 'ended' | 'unknown' | 'withdrawn' | 'conflict' };
    },

    /** Answers an approval. */
    async answer(
      id: string,
      { approvalId, nonce, answer, resumed }: Answer,
    ): Promise<'answered' | 'conflict' | 'unknown'> {
      const args = [id, approvalId, nonce, json(answer), json(resumed), limits.firstCheckMs];
      const [verdict] = await run('answer', taskKeys(id).common, args);
      return verdict as 'answered' | 'conflict' | 'unknown';
    },

    /** Lets a queued task that is held back for this reason be asked again now. Gives its job type; null when it is not queued. */
    async wake(id: string, reason: string): Promise<string | null> {
      const [type] = await run('wake', taskKeys(id).common, [id, reason]);
      return type === undefined ? null : String(type);
    },

    /** Holds a queued task back: it may not start before a time. One that may start later anyway keeps its time. */
    async adjust(id: string, { nonce, dueAt, rank, reason }: AdjustOptions): Promise<AdjustVerdict> {
      const event = json({ reason, until: new Date(dueAt).toISOString() });
      const args = [id, nonce, dueAt, rank ?? '', reason, event, limits.firstCheckMs];
      const [verdict, due] = await run('adjust', taskKeys(id).common, args);
      return verdict === 'adjusted' ? { verdict, dueAt: Number(due) } : { verdict: verdict as 'ended' | 'superseded' };
    },
  };
}
