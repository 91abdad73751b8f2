/**
 * Answers under way that have to wait for room in the budget, in order. Of an owner's as many go on at a time as there is room
 * for together: each reads anew what it could not write, and what it takes counts from then on.
 */
import type { ByteBudget } from './byte-budget.ts';

const LOOK_MS = 50;

type Waiter = { bytes: number; goOn: () => void };

export type RoomQueue = ReturnType<typeof createRoomQueue>;

export function createRoomQueue(answers: ByteBudget) {
  const waiting = new Map<string, Set<Waiter>>();
  let timer: NodeJS.Timeout | undefined;

  function leave(owner: string, waiter: Waiter) {
    const line = waiting.get(owner);
    line?.delete(waiter);
    if (line?.size === 0) waiting.delete(owner);
    if (waiting.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  }

  function look() {
    for (const [owner, line] of [...waiting]) {
      let bytes = 0;
      for (const waiter of [...line]) {
        // Behind the first nobody is alone, who has room for anything.
        const own = bytes === 0 ? 0 : -1;
        bytes += waiter.bytes;
        if (answers.passes(owner, bytes, own) !== null) break;
        leave(owner, waiter);
        waiter.goOn();
      }
    }
  }

  return {
    /** Calls back, once, when there is room for so many bytes. What it gives stops waiting for that. */
    wait(owner: string, bytes: number, goOn: () => void): () => void {
      const waiter = { bytes, goOn };
      const line = waiting.get(owner) ?? new Set();
      waiting.set(owner, line.add(waiter));
      timer ??= setInterval(look, LOOK_MS).unref();
      return () => leave(owner, waiter);
    },
  };
}
