/** Waiting for what no event tells of. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

/** Bounds only the wait for what never comes: no test fails because a machine is slow. */
export const HANG_MS = 240_000;
const PAUSE_MS = 10;

type Holds = () => Promise<boolean> | boolean;

/** Asks again and again until it holds, which may be put in words: `until('its job is gone', …)`. */
export async function until(...given: [holds: Holds] | [what: string, holds: Holds, timeoutMs?: number]) {
  const [what, holds, timeoutMs = HANG_MS] = given.length === 1 ? ([String(given[0]), given[0]] as const) : given;
  const deadline = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadline) assert.fail(`not within ${timeoutMs} ms: ${what}`);
    await delay(PAUSE_MS);
  }
}
