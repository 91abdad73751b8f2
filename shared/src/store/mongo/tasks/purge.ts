/** Purges old tasks: their bodies go after them. A purged task is only its key. */
import type { TaskStore } from '../../../store.ts';
import { bodyKeys, endName } from '../bodies.ts';
import type { Call } from '../client.ts';
import { number, type TaskDocument } from '../schema.ts';

const PURGED_AT_ONCE = 200;

/** What a task shows of itself. */
const shown = {
  owner: 1,
  task_id: 1,
  type: 1,
  status: 1,
  created_at: 1,
  timeout_ms: 1,
  record: 1,
  replaced: 1,
  key_hash: 1,
  fingerprint: 1,
} as const;
/** What finds its bodies. */
const ofBodies = { attempt: 1, pieces: 1, former: 1, ended_at: 1 } as const;

async function purgeThese(old: Pick<TaskDocument, '_id' | keyof typeof ofBodies>[], call: Call): Promise<void> {
  const these = { _id: { $in: old.map(({ _id }) => _id) } };
  const bodies = old.flatMap(({ former, ...task }) => [
    ...bodyKeys(task._id, endName(task), task.pieces),
    ...(former ? bodyKeys(task._id, former.end, former.pieces) : []),
  ]);
  await call(async (db, signal) => {
    await db.tasks.updateMany(these, { $unset: shown });
    signal.throwIfAborted();
    await db.bodies.deleteMany({ _id: { $in: bodies } });
    signal.throwIfAborted();
    // Last: until here a purge that was cut off is found again by them.
    await db.tasks.updateMany(these, { $unset: ofBodies });
  });
}

export const purgeTasks =
  (call: Call): TaskStore['purge'] =>
  async (endedBefore, limit) => {
    let purged = 0;
    while (purged < limit) {
      const most = Math.min(PURGED_AT_ONCE, limit - purged);
      const old = await call(({ tasks, read }) => {
        const oldest = { ...read, sort: { ended_at: 1 } as const, limit: most, projection: ofBodies };
        return tasks.find({ ended_at: { $lt: number(endedBefore) } }, oldest).toArray();
      });
      if (old.length > 0) await purgeThese(old, call);
      purged += old.length;
      if (old.length < most) break;
    }
    return purged;
  };
