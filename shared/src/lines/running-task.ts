/** Whose turn it is in a session, for a submit that would rather say something to it. */
import type { Catalog } from '../job-type.ts';
import type { Tasks } from '../record/tasks.ts';
import type { Clock } from '../redis/clock.ts';
import { isEnd, type TaskRecord } from '../task.ts';
import type { Lines } from './lines.ts';

type RunningDeps = { lines: Lines; tasks: Tasks; clock: Clock; catalog: Catalog };

/** The owner's task that has the turn, or runs in parallel, and takes messages; the one accepted last of several. */
export async function runningTask(
  { lines, tasks, clock, catalog }: RunningDeps,
  owner: string,
  session: string,
): Promise<TaskRecord | undefined> {
  const turns = await clock.guard(() => lines.turns(session), lines.needs(session));
  const found = await clock.guard(() => Promise.all(turns.map(({ id }) => tasks.read(owner, id, 'listed'))));
  return found
    .filter((task) => task !== null)
    .filter(({ status, type }) => !isEnd(status) && catalog.get(type)?.takesMessages)
    .at(-1);
}
