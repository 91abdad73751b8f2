/**
 * Lines, as a part: a session has one turn at a time, for those that ask for it. A task takes its place before it is created, is held
 * back until its turn comes, and lets the next one go when it has ended or waits for a person. Background tasks, and those that are
 * scheduled, are in no line; the latter take the last place when their time has come.
 */
import type { z } from 'zod';
import { TaskError } from '../errors.ts';
import type { Admission, Part } from '../part.ts';
import type { ContentPart } from '../provider.ts';
import { orUnavailable } from '../redis/away.ts';
import { isEnd } from '../task.ts';
import { markOf, type OnBusy, placeOf } from './place.ts';
import { createTurns, LOOK_MS, REASON, type TurnDeps } from './turns.ts';

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

export function linesPart(deps: TurnDeps): Part {
  const { lines, tasks, clock } = deps;
  const { leave, deadOf, enter, whoIsAhead, interrupt } = createTurns(deps);

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

    async hold({ id, type, fence, marks }) {
      if (type.sessionOf === undefined || type.background) return null;
      const place = placeOf(await orUnavailable(marks()));
      if (!place || place.onBusy === 'parallel') return null;
      // A job may outlive its task, which then takes no place any more.
      const [own] = await tasks.states([id]);
      if (!own?.status || isEnd(own.status)) return null;
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

    // Also of those that no runner has ended: cancelled while they waited, expired, lost too often.
    async ended(archived) {
      const left = archived.map(({ record: { id, marks } }) => {
        const place = placeOf(marks);
        return place && leave(place.session, { id, fence: '*' });
      });
      await Promise.all(left).catch((error: unknown) => {
        deps.log.warn({ error }, 'a line could not be told what has ended; whoever waits in it will look');
      });
      return [];
    },
  };
}
