/** When a stream has to end before its task does: the API drains, or the reader's key is gone. */

/** One listener for all streams: adding or removing one walks through all that a signal has, 1.2 s for 10,000. */
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

/** `drain` spreads the ends over `drainMs`; `revoked` ends a stream at once. */
export type Leaving = { drain: AbortSignal; drainMs: number; revoked: AbortSignal | null };

/** Calls `leave` when the stream has to end, which may be now. Returns a function that stops waiting for that. */
export function whenToLeave({ drain, drainMs, revoked }: Leaving, leave: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const leaveLater = () => {
    timer = setTimeout(leave, Math.random() * drainMs * 0.9);
  };
  // A reader that connects while the API drains goes on at another instance at once.
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
