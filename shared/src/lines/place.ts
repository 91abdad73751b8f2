/** What a submit asks for where its session is busy, and what a task is marked with by that. */
import { z } from 'zod';
import type { Marks } from '../task.ts';

export const OnBusy = z.enum(['parallel', 'queue', 'reject', 'interrupt', 'steer']).meta({
  id: 'OnBusy',
  description:
    'While another task of the session is to be done. `parallel`: both run. `queue`: this one waits for its turn. `reject`: 409. `interrupt`: the other one is cancelled, and this one is next. `steer`: the other one gets this as a message, if it takes any; else as `queue`.',
});
export type OnBusy = z.infer<typeof OnBusy>;

/** `accepted`: when, as lines count; '' of a task that has had no place yet. */
export type Place = { session: string; onBusy: OnBusy; accepted: string };

const MARK = 'line';

export const markOf = ({ session, onBusy, accepted }: Place): Marks => ({ [MARK]: `${onBusy} ${accepted} ${session}` });

export function placeOf(marks: Marks): Place | undefined {
  const [onBusy, accepted = '', session = ''] = marks[MARK]?.split(' ') ?? [];
  return onBusy === undefined ? undefined : { session, onBusy: onBusy as OnBusy, accepted };
}
