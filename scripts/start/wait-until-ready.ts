/** Waiting for the API. */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';

const INTERVAL_MS = 50;
const REQUEST_TIMEOUT_MS = 2_000;
const FIRST_WORD_MS = 10_000;

/** Asks our own API, past any proxy: what NODE_USE_ENV_PROXY sends through one is the global agent's, and fetch. */
async function get(url: string, signal: AbortSignal): Promise<{ status: number | undefined; body: string }> {
  const asked = request(url, {
    agent: false,
    signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
  });
  const [response] = (await once(asked.end(), 'response')) as [IncomingMessage];
  return { status: response.statusCode, body: await text(response) };
}

async function readiness(url: string, stopped: AbortSignal): Promise<string | undefined> {
  try {
    const { status, body } = await get(`${url}/readyz`, stopped);
    return status === 200 ? undefined : `${status} ${body.slice(0, 500)}`;
  } catch {
    return 'no answer';
  }
}

/** Whether the API asks for a key. */
export async function needsKey(url: string, stopped: AbortSignal): Promise<boolean> {
  return (await get(`${url}/tasks?limit=1`, stopped)).status === 401;
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
