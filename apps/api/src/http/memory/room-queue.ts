/**
 * Answers under way that have to wait for room in the budget, in order. One of an owner goes on at a time: each reads anew what
 * it could not write, and what it takes counts from then on.
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
      const [first] = line;
      if (!first || answers.passes(owner, first.bytes) !== null) continue;
      leave(owner, first);
      first.goOn();
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
