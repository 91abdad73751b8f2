/**
 * Lines, as a part: a session has one turn at a time, for those that ask for it. A task takes its place before it is created, is held
 * back until its turn comes, and lets the next one go when it has ended or waits for a person. Background tasks, and those that are
 * scheduled, are in no line; the latter take the last place when their time has come.
 */
import type { z } from 'zod';
import { TaskError } from '../errors.ts';
import type { Live } from '../live/live.ts';
import type { Log } from '../log.ts';
import type { Admission, Part } from '../part.ts';
import type { ContentPart } from '../provider.ts';
import type { TaskQueue } from '../queue/queue.ts';
import type { Tasks } from '../record/tasks.ts';
import { orUnavailable } from '../redis/away.ts';
import type { Clock } from '../redis/clock.ts';
import { isEnd } from '../task.ts';
import { timeOf } from '../task-id.ts';
import { cancelTask } from '../tasks/cancel-task.ts';
import { wakeTask } from '../tasks/wake-task.ts';
import type { Ahead, How, Lines } from './lines.ts';
import { markOf, type OnBusy, type Place, placeOf } from './place.ts';

declare module '../part.ts' {
  interface PartOptions {
    onBusy?: OnBusy | undefined;
  }
}

declare module '../job-type.ts' {
  interface JobType<Input extends z.ZodType, Output extends z.ZodType> {
    /** What a submit asks for, where it does not say, while another task of its session is to be done; without it `parallel`. */
    onBusy?: OnBusy;
    /** What of an input is said to the task that is under way, where the submit would steer it; without it nothing can be. */
    messageOf?(input: z.output<Input>): string | ContentPart[];
  }
}

/** A word of the `waiting` event. */
const REASON = 'session';
/** How often one that waits looks, whatever it was told or not. */
const LOOK_MS = 5_000;
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

type LineDeps = { lines: Lines; tasks: Tasks; queue: TaskQueue; live: Live; clock: Clock; log: Log };

function invalidOption(message: string) {
  return new TaskError('invalid_request', 'The request is not valid.', { fields: [{ path: 'on_busy', message }] });
}

/** The session whose line a task stands in, if any. Throws where the client asks for a line that there is not. */
function lineOf({ type, input, options, isScheduled }: Admission): string | undefined {
  const { onBusy } = options;
  const session = type.background ? undefined : type.sessionOf?.(input);
  if (onBusy === undefined) return session;
  if (session === undefined) throw invalidOption('is for a request with session_id');
  if (isScheduled && ['reject', 'interrupt', 'steer'].includes(onBusy)) {
    throw invalidOption('must be parallel or queue with delay_ms or run_at');
  }
  return session;
}

export function linesPart(deps: LineDeps): Part {
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

  return {
    name: 'lines',

    async admit(request, retryOf) {
      const session = lineOf(request);
      if (session === undefined) return {};
      const { type, options, isScheduled, id } = request;
      const before = retryOf && placeOf(retryOf.marks)?.onBusy;
      const onBusy = options.onBusy ?? before ?? type.onBusy ?? 'parallel';
      if (isScheduled) return markOf({ session, onBusy, accepted: '' });
      const accepted = await clock.guard(() => enter({ session, onBusy }, id), lines.needs(session));
      return markOf({ session, onBusy, accepted });
    },

    async submitted({ id }, marks, created) {
      const place = placeOf(marks);
      if (!place || place.accepted === '') return;
      if (!created) return leave(place.session, { id, fence: '' });
      if (place.onBusy === 'interrupt') await interrupt(place, await whoIsAhead(place, id, ''));
    },

    async hold({ id, fence, marks }) {
      const place = placeOf(await orUnavailable(marks()));
      if (!place || place.onBusy === 'parallel') return null;
      const others = await whoIsAhead(place, id, fence);
      if (others.length === 0) return null;
      if (place.onBusy === 'interrupt') await interrupt(place, others);
      return { until: clock.now() + LOOK_MS, reason: REASON };
    },

    async begin({ id, attempt, marks }) {
      const place = placeOf(marks);
      // It was scheduled, or may have waited for a person, which leaves the line.
      const isBack = place?.onBusy === 'parallel' && (place.accepted === '' || attempt > 1);
      if (isBack) await orUnavailable(lines.enter(place.session, id, 'free', place.accepted));
    },

    async left({ id, fence, marks }, outcome) {
      const place = placeOf(marks);
      if (!place) return;
      // One that goes on later keeps its place, and so does one that another runner has.
      if (outcome.kind !== 'completed') {
        const [dead] = await deadOf([{ id, accepted: null, fence }]);
        if (!dead) return;
      }
      await leave(place.session, { id, fence: place.onBusy === 'parallel' ? '' : fence });
    },
  };
}
