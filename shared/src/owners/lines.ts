/**
 * A line for each owner, in one process: some of an owner's work is under way at once, some more waits in the owner's line, and
 * more than that is refused. So an owner who asks for much waits for its own work, and another one waits for a few at most.
 */
import { TaskError } from '../errors.ts';

const RETRY_AFTER_MS = 1_000;

/** How much of one owner's work waits, at most. */
export const IN_LINE = 20;

export type OwnerLines = {
  /** Runs the work when it is the owner's turn; throws `rate_limited` when the line is full, `unavailable` when it takes too long. */
  run<T>(owner: string, work: () => Promise<T>): Promise<T>;
};

/** `waitMs`: longest wait in the line. What waits behind work that hangs is not to hang for the sum. */
export function createOwnerLines(limits: { atOnce: number; inLine: number; waitMs: number }): OwnerLines {
  /** Of owners who have work under way. */
  const lines = new Map<string, { underWay: number; waiting: Set<() => void> }>();

  function turn(owner: string): Promise<void> {
    let line = lines.get(owner);
    if (!line) {
      line = { underWay: 0, waiting: new Set() };
      lines.set(owner, line);
    }
    if (line.underWay < limits.atOnce) {
      line.underWay++;
      return Promise.resolve();
    }
    const { waiting } = line;
    if (waiting.size >= limits.inLine) {
      throw new TaskError('rate_limited', 'Too many of these requests at once.', { retryAfterMs: RETRY_AFTER_MS });
    }
    return new Promise((resolve, reject) => {
      const begin = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        waiting.delete(begin);
        reject(new TaskError('unavailable', 'The store did not answer in time.', { retryAfterMs: RETRY_AFTER_MS }));
      }, limits.waitMs);
      waiting.add(begin);
    });
  }

  /** The place of what ended goes to the first in the line. */
  function end(owner: string) {
    const line = lines.get(owner);
    if (!line) return;
    const [next] = line.waiting;
    if (next) {
      line.waiting.delete(next);
      next();
      return;
    }
    line.underWay--;
    if (line.underWay === 0) lines.delete(owner);
  }

  return {
    async run(owner, work) {
      await turn(owner);
      try {
        return await work();
      } finally {
        end(owner);
      }
    },
  };
}

/** Lists of one owner under way at once, in one process: each may look at thousands of tasks. */
const LISTS_AT_ONCE = 1;

/** Bounds the lists of tasks of each owner. */
export const createListLines = (timeoutMs: number) =>
  createOwnerLines({ atOnce: LISTS_AT_ONCE, inLine: IN_LINE, waitMs: timeoutMs });
