/** What the machine takes for itself: on a busy one every program waits for its turn, and no bound of ours may count that. */
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

const LOOK_MS = 10;

/**
 * Adds up how late this process, and answers of this API that need nothing but a processor, come: until stopped, or the
 * test is over. Hardly anything on an idle machine.
 */
export function watchMachine(t: Pick<TestContext, 'after'>, url?: string) {
  let over = false;
  let sumMs = 0;
  let lookAt = performance.now();
  const lateMs = () => Math.round(sumMs + (over ? 0 : Math.max(0, performance.now() - lookAt - LOOK_MS)));
  async function watch() {
    while (!over) {
      lookAt = performance.now();
      await delay(LOOK_MS);
      if (url !== undefined) await (await fetch(`${url}/healthz`)).text();
      if (!over) sumMs += Math.max(0, performance.now() - lookAt - LOOK_MS);
    }
  }
  const stop = () => {
    sumMs = lateMs();
    over = true;
    return sumMs;
  };
  t.after(stop);
  // An API that is gone is late no more.
  watch().catch(stop);
  return {
    /** So far, in ms. */
    lateMs,
    /** The same, and it is over. */
    stop,
  };
}
