/**
 * Sweeps a partition: looks at open tasks whose check is due and repairs what two writes can leave apart. A job that is
 * missing is added, one that sleeps beyond its time is promoted, what is overdue is ended. What cannot be repaired (a full
 * Redis takes no job) is looked at again soon, and holds up no other.
 */

import type { Log } from '../log.ts';
import type { TaskQueue } from '../queue/queue.ts';
import type { Check, Checks, DueTask } from '../record/checks.ts';
import type { Tasks } from '../record/tasks.ts';
import type { Clock } from '../redis/clock.ts';
import { isEnd } from '../task.ts';

const PAGE = 200;

type SweepDeps = { tasks: Tasks; checks: Checks; queue: TaskQueue; clock: Clock; log: Log };
type SweepLimits = { firstCheckMs: number; maxCheckMs: number; cancelGraceMs: number };

/** Every open task when `everything` (a lease was just taken), else those that are due. Gives how many it looked at. */
export async function sweepPartition(
  deps: SweepDeps,
  partition: number,
  limits: SweepLimits,
  everything: boolean,
  /** Called between pages; false when the partition is another relay's now. */
  holds: () => Promise<boolean>,
): Promise<number> {
  const { checks, clock, log } = deps;
  let looked = 0;

  async function look(due: Check[]) {
    const now = clock.now(partition);
    const found = await checks.load(partition, due);
    const failure = await repair(deps, partition, found, now, limits).then(
      () => null,
      (error: unknown) => ({ error }),
    );
    const latest = failure ? now + limits.firstCheckMs : Number.POSITIVE_INFINITY;
    const next = found.map((task) => {
      return { id: task.id, seen: task.checkAt, at: Math.min(nextCheck(task, now, limits), latest) };
    });
    await checks.recheck(partition, next);
    if (failure) log.warn({ ...failure, partition }, 'a sweep could not repair what it found, and tries again soon');
    looked += found.length;
  }

  if (everything) {
    let first = true;
    for await (const some of checks.open(partition)) {
      if (!first && !(await holds())) break;
      first = false;
      await look(some);
    }
    return looked;
  }
  for (;;) {
    const due = await checks.due(partition, clock.now(partition), PAGE);
    await look(due);
    if (due.length < PAGE || !(await holds())) return looked;
  }
}

async function repair(
  { tasks, checks, queue, clock, log }: SweepDeps,
  partition: number,
  found: DueTask[],
  now: number,
  { cancelGraceMs }: SweepLimits,
) {
  const open: DueTask[] = [];
  for (const task of found) {
    const end = overdue(task, now, cancelGraceMs);
    if (!end) open.push(task);
    else if ((await tasks.finishOverdue(task.id, task, end)) === 'finished') {
      log.info({ task_id: task.id, status: end }, 'the sweep ended an overdue task');
      await queue.remove(task.type, task.id);
    }
  }
  // Harmless when another one was faster. Adding with the record's own rank keeps the order that was promised.
  const lacking = await queue.missing(open);
  await queue.add(lacking.map(({ id, type, rank, dueAt }) => ({ id, type, rank, delayMs: Math.max(0, dueAt - now) })));
  const isLate = (task: DueTask, at: number) => task.status !== 'in_progress' && task.dueAt <= at;
  await Promise.all(open.map(async (task) => isLate(task, now) && queue.promote(task.type, task.id)));
  // A task may have gone on since it was read (an answer came), and its job may be gone. The one added here would then sleep
  // until a time that no longer counts, or belong to a task that has ended.
  const asleep = await checks.load(
    partition,
    open.filter(({ dueAt }) => dueAt > now).map(({ id, checkAt }) => ({ id, at: checkAt })),
  );
  const later = clock.now(partition);
  await Promise.all(
    asleep.map(async (task) => {
      if (isEnd(task.status)) await queue.remove(task.type, task.id);
      else if (isLate(task, later)) await queue.promote(task.type, task.id);
    }),
  );
}

function overdue(task: DueTask, now: number, cancelGraceMs: number): 'expired' | 'cancelled' | null {
  if (task.cancelRequestedAt !== null && now - task.cancelRequestedAt >= cancelGraceMs) return 'cancelled';
  if (task.status === 'queued' && task.attempt === 0 && task.startBy !== null && task.startBy < now) return 'expired';
  if (task.status === 'input_required' && task.dueAt <= now && task.onExpiry !== 'resume') return 'expired';
  return null;
}

/**
 * The earliest of: the interval, which doubles with the task's age; when it is due; its deadlines. One that waits for a person needs
 * no look before its time is over: its answer asks for one, and a cancel ends it.
 */
function nextCheck(task: DueTask, now: number, { firstCheckMs, maxCheckMs, cancelGraceMs }: SweepLimits): number {
  if (task.status === 'input_required' && task.dueAt > now) return task.dueAt;
  const interval = Math.min(Math.max(now - task.createdAt, firstCheckMs), maxCheckMs);
  const ahead = [
    task.dueAt + firstCheckMs,
    task.startBy ?? 0,
    task.cancelRequestedAt === null ? 0 : task.cancelRequestedAt + cancelGraceMs,
  ].filter((at) => at > now);
  return Math.min(now + interval, ...ahead);
}
