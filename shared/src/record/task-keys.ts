/** The keys of one task, by its id. */
import type { Keys } from '../redis/keys.ts';
import { partitionOf } from '../task-id.ts';

export function createTaskKeys(keys: Keys, partitions: number) {
  /** `common`: what every script is given first, in the order of the prelude. */
  return (id: string) => {
    const p = partitionOf(id, partitions);
    if (p === null) throw new Error(`${id} is not a task id of this data`);
    return {
      p,
      common: [keys.task(p, id), keys.log(p, id), keys.live(p, id), keys.open(p), keys.counts(p), keys.outbox(p)],
      input: keys.input(p, id),
      steps: keys.steps(p, id),
      inbox: keys.inbox(p, id),
      owner: (owner: string) => keys.owner(p, owner),
    };
  };
}

export type TaskKeys = ReturnType<typeof createTaskKeys>;
