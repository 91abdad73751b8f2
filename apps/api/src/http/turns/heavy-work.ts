/**
 * Work that holds up every other request while it is done, such as to read a large body: one at a time, owners in turn. After
 * it there is a rest, for its owner a longer one: so whoever sends large bodies without end gets a fifth of this process's time
 * for them, and all who do get half of it.
 */
export type HeavyWork = ReturnType<typeof createHeavyWork>;

/** How long nothing heavy is done after it, in times of what it took: nothing of the same owner, and nothing at all. */
const REST = { owner: 4, all: 1 };

type Line = { waiting: Set<() => void>; from: number };

export function createHeavyWork() {
  /** Of owners who wait or rest. Whose work was the last is the last. */
  const lines = new Map<string, Line>();
  let busy = false;
  let from = 0;
  let timer: NodeJS.Timeout | undefined;

  function lineOf(owner: string): Line {
    const line = lines.get(owner) ?? { waiting: new Set(), from: 0 };
    lines.set(owner, line);
    return line;
  }

  /** Begins the first that may, or comes back when one will. */
  function look() {
    clearTimeout(timer);
    if (busy) return;
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    for (const [owner, line] of lines) {
      const [first] = line.waiting;
      if (!first) {
        if (line.from <= now) lines.delete(owner);
        continue;
      }
      const at = Math.max(from, line.from);
      if (at <= now) {
        busy = true;
        line.waiting.delete(first);
        return first();
      }
      next = Math.min(next, at);
    }
    if (next < Number.POSITIVE_INFINITY) timer = setTimeout(look, Math.ceil(next - now));
  }

  function end(owner: string, startedAt: number) {
    const now = performance.now();
    const took = now - startedAt;
    const { waiting } = lineOf(owner);
    lines.delete(owner);
    lines.set(owner, { waiting, from: now + REST.owner * took });
    from = now + REST.all * took;
    busy = false;
    look();
  }

  return {
    /**
     * Does the work when it is its turn. What its caller does with it in the same turn of the event loop is a part of it.
     */
    async run<T>(owner: string, work: () => T): Promise<T> {
      await new Promise<void>((resolve) => {
        lineOf(owner).waiting.add(resolve);
        look();
      });
      setImmediate(end, owner, performance.now());
      return work();
    },
  };
}
