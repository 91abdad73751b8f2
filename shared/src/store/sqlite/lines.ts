/**
 * Whose turn it is at the writer: each owner has a line, the lines take turns, and within a line what came first goes first.
 * So an owner waits for one work of each other owner, however many they have.
 */
export function createLines<Work extends { line: string }>() {
  /** Those that are not empty, the one whose turn it is first. */
  const lines = new Map<string, Work[]>();

  return {
    isEmpty: () => lines.size === 0,

    add(work: Work) {
      const line = lines.get(work.line);
      if (line) line.push(work);
      else lines.set(work.line, [work]);
    },

    /** Puts back what is not done: it goes on when the turn comes to its line again. */
    goOn(work: Work) {
      const line = lines.get(work.line);
      if (line) line.unshift(work);
      else lines.set(work.line, [work]);
    },

    /** The next one that is ready, which is not taken. */
    first(isReady: (work: Work) => boolean): Work | undefined {
      for (const [next] of lines.values()) if (next && isReady(next)) return next;
      return undefined;
    },

    /** Takes what `first` gave: its line has had its turn. */
    take({ line: name }: Work) {
      const line = lines.get(name) ?? [];
      lines.delete(name);
      line.shift();
      if (line.length > 0) lines.set(name, line);
    },

    /** Takes all. */
    clear(): Work[] {
      const all = [...lines.values()].flat();
      lines.clear();
      return all;
    },
  };
}
