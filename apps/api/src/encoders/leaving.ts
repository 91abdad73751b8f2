/** When readers are asked to go: the API drains, or what they came with is valid no longer. */

/** One listener for all streams: a signal goes through all it has for each that comes or goes, 1.2 s for 10,000. */
const leavers = new WeakMap<AbortSignal, Set<() => void>>();
function leaversOf(signal: AbortSignal): Set<() => void> {
  const known = leavers.get(signal);
  if (known) return known;
  const leaving = new Set<() => void>();
  leavers.set(signal, leaving);
  signal.addEventListener('abort', () => {
    for (const leave of leaving) leave();
  });
  return leaving;
}

/** `drain` spreads those who leave over `drainMs`; `revoked` lets nobody stay. */
export type Leaving = { drain: AbortSignal; drainMs: number; revoked: AbortSignal | null };

/** Calls `leave` when it is time, at once when it is already. What it returns takes that back. */
export function whenToLeave({ drain, drainMs, revoked }: Leaving, leave: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const leaveLater = () => {
    timer = setTimeout(leave, Math.random() * drainMs * 0.9);
  };
  // Who comes while the API drains goes on at another one at once.
  if (drain.aborted || revoked?.aborted) {
    leave();
    return () => undefined;
  }
  leaversOf(drain).add(leaveLater);
  if (revoked) leaversOf(revoked).add(leave);
  return () => {
    clearTimeout(timer);
    leaversOf(drain).delete(leaveLater);
    if (revoked) leaversOf(revoked).delete(leave);
  };
}
