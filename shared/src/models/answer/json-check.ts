/** Asks the thread that checks answers, one at a time; it is started when it is first needed, and again when it was ended. */
import { Worker } from 'node:worker_threads';
import type { Check, Checked } from './json-check-thread.ts';

/** An honest check takes milliseconds. */
const CHECK_MS = 2_000;
const MAX_HEAP_MB = 128;

let thread: Worker | undefined;
let last: Promise<unknown> = Promise.resolve();

function start(): Worker {
  const resourceLimits = { maxOldGenerationSizeMb: MAX_HEAP_MB };
  const started = new Worker(new URL('./json-check-thread.ts', import.meta.url), { execArgv: [], resourceLimits });
  const forget = () => {
    if (thread === started) thread = undefined;
  };
  started.on('error', forget);
  started.on('exit', forget);
  return started;
}

async function ask(asked: Check): Promise<Checked | undefined> {
  thread ??= start();
  const asking = thread;
  const { promise, resolve } = Promise.withResolvers<Checked | undefined>();
  const gone = () => resolve(undefined);
  asking.once('message', resolve);
  asking.once('error', gone);
  asking.once('exit', gone);
  const late = setTimeout(() => void asking.terminate(), CHECK_MS);
  asking.ref();
  asking.postMessage(asked);
  const checked = await promise;
  clearTimeout(late);
  asking.unref();
  asking.off('message', resolve);
  asking.off('error', gone);
  asking.off('exit', gone);
  return checked;
}

/** What is wrong with a schema, or with an answer by it; undefined when the check took too much time or memory. */
export function checkBySchema(asked: Check): Promise<Checked | undefined> {
  const checked = last.then(() => ask(asked));
  last = checked;
  return checked;
}
