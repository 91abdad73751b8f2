/** Waiting for the API. */
import { setTimeout as delay } from 'node:timers/promises';

const INTERVAL_MS = 50;
const REQUEST_TIMEOUT_MS = 2_000;
const FIRST_WORD_MS = 10_000;

async function readiness(url: string, stopped: AbortSignal): Promise<string | undefined> {
  try {
    const response = await fetch(`${url}/readyz`, {
      signal: AbortSignal.any([stopped, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
    });
    const body = await response.text();
    return response.status === 200 ? undefined : `${response.status} ${body.slice(0, 500)}`;
  } catch {
    return 'no answer';
  }
}

/** Whether the API asks for a key. */
export async function needsKey(url: string): Promise<boolean> {
  const response = await fetch(`${url}/tasks?limit=1`, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
  await response.body?.cancel();
  return response.status === 401;
}

/** True when `GET /readyz` answers 200, false when stopped before; says from time to time what it waits for. */
export async function waitUntilReady(url: string, stopped: AbortSignal, say: (line: string) => void): Promise<boolean> {
  let wordMs = FIRST_WORD_MS;
  for (let sayAt = performance.now() + wordMs; !stopped.aborted; ) {
    const problem = await readiness(url, stopped);
    if (problem === undefined) return true;
    if (performance.now() > sayAt) {
      say(`not ready yet, ${url}/readyz: ${problem}`);
      wordMs *= 2;
      sayAt = performance.now() + wordMs;
    }
    await delay(INTERVAL_MS);
  }
  return false;
}
