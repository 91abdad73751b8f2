/**
 * Bulk takes turns. Of all large answers that are written, and all large bodies that are read, one piece goes in each turn of
 * the event loop, owners in turn: between two pieces the loop looks at every connection, and takes the next new one. Otherwise
 * Node would write a whole answer of megabytes at once, for each connection that it accepts.
 */
export type Turns = ReturnType<typeof createTurns>;

/** `everyMs`: for what is in no hurry, a piece only so often. */
export function createTurns(everyMs = 0) {
  const waiting = new Map<string, Set<() => void>>();
  let scheduled = false;

  function turn() {
    scheduled = false;
    for (const [owner, line] of waiting) {
      waiting.delete(owner);
      const [first] = line;
      if (!first) continue;
      line.delete(first);
      // Behind the other owners.
      if (line.size > 0) waiting.set(owner, line);
      schedule();
      return first();
    }
  }
  function schedule() {
    if (scheduled || waiting.size === 0) return;
    scheduled = true;
    if (everyMs > 0) setTimeout(turn, everyMs).unref();
    else setImmediate(turn);
  }

  /** Calls back, once, when it is the owner's turn. */
  return (owner: string, goOn: () => void): void => {
    const line = waiting.get(owner) ?? new Set();
    // Each is another one, also where the same function waits twice.
    waiting.set(
      owner,
      line.add(() => goOn()),
    );
    schedule();
  };
}
