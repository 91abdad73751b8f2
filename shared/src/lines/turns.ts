/** Taking turns: what lines say, held against the records of those who stand in them. */
import { TaskError } from '../errors.ts';
import type { Live } from '../live/live.ts';
import type { Log } from '../log.ts';
import type { TaskQueue } from '../queue/queue.ts';
import type { Tasks } from '../record/tasks.ts';
import type { Clock } from '../redis/clock.ts';
import { isEnd } from '../task.ts';
import { timeOf } from '../task-id.ts';
import { cancelTask } from '../tasks/cancel-task.ts';
import { wakeTask } from '../tasks/wake-task.ts';
import type { Ahead, How, Lines } from './lines.ts';
import type { OnBusy, Place } from './place.ts';

/** A word of the `waiting` event. */
export const REASON = 'session';
/** How often one that waits looks, whatever it was told or not. */
export const LOOK_MS = 5_000;
/** An entry whose task is not there belongs to a submit that is under way, or to nobody: no submit takes longer. */
const SUBMIT_MS = 10_000;
/** Entries of no task that are put away at one look. */
const MAX_DEAD = 20;

const HOW: Record<OnBusy, How> = {
  parallel: 'free',
  queue: 'last',
  reject: 'alone',
  interrupt: 'first',
  steer: 'last',
};

export type TurnDeps = { lines: Lines; tasks: Tasks; queue: TaskQueue; live: Live; clock: Clock; log: Log };

export function createTurns(deps: TurnDeps) {
  const { lines, tasks, clock } = deps;

  async function leave(session: string, ahead: Pick<Ahead, 'id' | 'fence'>): Promise<void> {
    const next = await lines.leave(session, ahead);
    if (next !== null) await wakeTask(deps, next, REASON);
  }

  /** Those of them that nobody waits for any more: they have ended, wait for a person, or never came to be. */
  async function deadOf(ahead: Ahead[]): Promise<Ahead[]> {
    const states = await tasks.states(ahead.map(({ id }) => id));
    return ahead.filter(({ id }, index) => {
      const status = states[index]?.status ?? null;
      if (status === null) return (timeOf(id) ?? 0) + SUBMIT_MS < clock.now();
      return isEnd(status) || status === 'input_required';
    });
  }

  /** Puts those away that nobody waits for. True when there were any. */
  async function clear(session: string, ahead: Ahead[]): Promise<boolean> {
    const dead = await deadOf(ahead);
    for (const one of dead) await lines.leave(session, one);
    return dead.length > 0;
  }

  async function enter({ session, onBusy }: Pick<Place, 'session' | 'onBusy'>, id: string): Promise<string> {
    for (let looks = 0; ; looks++) {
      const entered = await lines.enter(session, id, HOW[onBusy]);
      if (entered.verdict === 'entered') return entered.accepted;
      if (entered.verdict === 'full') {
        throw new TaskError('queue_full', 'Too many tasks of this session wait for their turn. Nothing was accepted.', {
          retryAfterMs: LOOK_MS,
        });
      }
      if (looks < MAX_DEAD && (await clear(session, entered.ahead))) continue;
      const [first] = entered.ahead;
      throw new TaskError('conflict', `The session is busy with ${first?.id}. Nothing was accepted.`, {
        fields: [{ path: 'on_busy', message: `${first?.id} is to be done first` }],
      });
    }
  }

  /** Whom a task waits for; none: it is its turn, and it has taken it. */
  async function whoIsAhead(place: Place, id: string, fence: string): Promise<Ahead[]> {
    for (let looks = 0; ; looks++) {
      const before = await lines.look(place.session, id, { accepted: place.accepted, fence });
      if (before.length === 0 || looks >= MAX_DEAD || !(await clear(place.session, before))) return before;
    }
  }

  /** Cancels those whose turn it is and who were there before a task that interrupts. */
  async function interrupt({ session, accepted }: Place, others: Ahead[]): Promise<void> {
    const since = Math.abs(Number(accepted));
    for (const other of others.filter((one) => one.accepted !== null && one.accepted < since)) {
      const owner = await tasks.ownerOf(other.id);
      const record = owner === null ? null : await tasks.read(owner, other.id, 'listed');
      if (!record) continue;
      const { verdict } = await cancelTask(deps, record);
      if (verdict !== 'requested') await leave(session, other);
    }
  }

  return { leave, deadOf, enter, whoIsAhead, interrupt };
}
