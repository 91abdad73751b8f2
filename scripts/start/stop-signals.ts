/** When `npm start` has to end: signals, and the death of the npm that runs it. */

const REPEAT_MS = 500;
const PARENT_CHECK_MS = 500;

/**
 * Calls `onStop` at the first SIGINT, SIGTERM or SIGHUP, or when npm is gone, and `onKill` when the user insists.
 * Answers with a function that takes the handlers away.
 */
export function onStopSignals(env: NodeJS.ProcessEnv, onStop: (why: string) => void, onKill: () => void): () => void {
  let stoppedAt: number | undefined;
  const stop = (why: string) => {
    const now = performance.now();
    if (stoppedAt === undefined) {
      stoppedAt = now;
      onStop(why);
      // npm passes the terminal's Ctrl-C on, so each one arrives twice.
    } else if (now - stoppedAt > REPEAT_MS) onKill();
  };
  const hangup = () => {
    if (stoppedAt === undefined) stop('SIGHUP');
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.on('SIGHUP', hangup);
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (env.npm_lifecycle_event === 'start' && process.ppid !== parent && stoppedAt === undefined) stop('npm is gone');
  }, PARENT_CHECK_MS);
  timer.unref();
  return () => {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    process.off('SIGHUP', hangup);
    clearInterval(timer);
  };
}
