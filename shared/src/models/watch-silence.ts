/** The end of calls whose model says nothing. */
import { TaskError } from '../errors.ts';

/** Gives a silent model up. Its time runs while we wait for it: from the start, and from each `resume` until `pause`. */
export function watchSilence(idleTimeoutMs: number, ended: AbortController) {
  let waiting = true;
  // Counts only the time in which we wait for the model: a slow Redis is not a silent model.
  const idle = setTimeout(() => {
    if (!waiting) return;
    ended.abort(new TaskError('provider_busy', `The model sent nothing for ${idleTimeoutMs} ms.`));
  }, idleTimeoutMs);
  return {
    pause() {
      waiting = false;
    },
    resume() {
      waiting = true;
      idle.refresh();
    },
    stop: () => clearTimeout(idle),
  };
}
