/** For tests of SQL without a thread: a call that is done in pieces, to its end. Gives its result. */
import type { CallInPieces } from '../nouns.ts';

export function whole<Result>(made: Result | CallInPieces<Result>): Result {
  if (typeof made !== 'object' || made === null || !('next' in made)) return made as Result;
  for (;;) {
    const step = made.next();
    if (step.done) return step.value;
  }
}
