/**
 * What a flood of one owner does to another: the time to the first token of a quiet owner's task, on an idle system and
 * behind a flood, in one run. The model takes its time, as models do, so that slots are what the two compete for.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { chat, readStream } from '../testing/client.ts';
import { bearer, ownerClient } from '../testing/owners.ts';
import { startSystem } from '../testing/system.ts';
import { slowWords, startUpstream } from '../testing/upstream.ts';
import { median } from './report.ts';

const FLOOD_KEY = 'flood-key-0123456789';
const QUIET_KEY = 'quiet-key-0123456789';
const SLOTS = 20;
const IN_FLIGHT = 50;
const PAGE = 200;
/** Tasks of each slot after which they no longer end together. */
const SETTLED = 3;

/** Of one task: until its first token, 200 ms; whole, 300 to 500 ms. So 50 of the flood start in a second. */
const FIRST_TOKEN_MS = 200;
const WORD_MS = 10;
/** Answers of one length would end together, and whoever came next would wait for all of them or for none. */
const wordsOf = (call: number) => 10 + ((call * 7) % 21);
const QUIET_EACH_MS = 400;

export type Fairness = {
  /** Medians of the time to the first token of the quiet owner. */
  idleMs: number;
  floodedMs: number;
  /** Of each quiet task: flood tasks that started after it was accepted and before it, and that were still waiting then. */
  passedBy: number[];
  waiting: number[];
};

type FloodTask = { task_id: string; created_at: string; started_at: string | null };

/** Runs a system of its own: one runner of 20 slots, `flood` tasks of one owner, `quiet` of another before and behind them. */
export async function fairness({ flood = 2_000, quiet = 7 } = {}): Promise<Fairness> {
  let calls = 0;
  let answered = 0;
  /** Until the whole flood is in the model answers nothing: else of a flood that comes slowly much would be through already. */
  let floodIsIn = Promise.resolve();
  const upstream = await startUpstream(async (call) => {
    const words = wordsOf(calls++);
    await floodIsIn;
    await delay(FIRST_TOKEN_MS);
    await slowWords(words, WORD_MS)(call);
    answered++;
  });
  const API_KEYS = `flood:${FLOOD_KEY},quiet:${QUIET_KEY}`;
  const env = {
    ...upstream.env,
    API_KEYS,
    RATE_LIMIT: '0',
    QUEUES: `chat.request:${SLOTS}`,
    LOCK_DURATION_MS: '30000',
  };
  const system = await startSystem({ env });
  const flooder = ownerClient(system.url, FLOOD_KEY);
  const calm = ownerClient(system.url, QUIET_KEY);

  /** Submits a task and reads its stream; gives the time to the first token. */
  async function quietTask(): Promise<{ id: string; firstMs: number }> {
    const headers = { ...bearer(QUIET_KEY), Accept: 'text/event-stream', 'Content-Type': 'application/json' };
    const startedAt = performance.now();
    const ask = () => fetch(`${system.url}/api/chat`, { method: 'POST', headers, body: JSON.stringify(chat()) });
    let response = await ask();
    for (; response.status === 503; response = await ask()) await response.body?.cancel();
    if (response.status !== 200) throw new Error(`the quiet owner got ${response.status}: ${await response.text()}`);
    let firstMs = 0;
    for await (const { type } of readStream(response)) {
      if (type === 'text' && firstMs === 0) firstMs = performance.now() - startedAt;
    }
    return { id: response.headers.get('x-task-id') ?? '', firstMs };
  }
  /** One each while, whether or not the one before has ended: with nobody being fair all of them wait for the flood. */
  const quietTasks = () =>
    Promise.all(Array.from({ length: quiet }, (_, index) => delay(index * QUIET_EACH_MS).then(quietTask)));
  async function floodTasks(): Promise<FloodTask[]> {
    const tasks: FloodTask[] = [];
    for (let cursor = ''; ; ) {
      const { json } = await flooder.get(`/tasks?limit=${PAGE}${cursor && `&cursor=${cursor}`}`);
      tasks.push(...json.tasks);
      if (json.next_cursor === null) return tasks;
      cursor = json.next_cursor;
    }
  }

  try {
    await quietTask();
    const idle = await quietTasks();
    let left = flood;
    const post = async () => {
      while (left-- > 0) {
        const { status, text } = await flooder.post('/api/chat', chat());
        // On a machine that is busy with other things Redis may count as away for a moment: nothing was accepted then.
        if (status === 503) left++;
        else if (status !== 202) throw new Error(`the flood got ${status}: ${text}`);
      }
    };
    const wholeFlood = Promise.withResolvers<void>();
    floodIsIn = wholeFlood.promise;
    await Promise.all(Array.from({ length: IN_FLIGHT }, post));
    wholeFlood.resolve();
    // The slots, which began together, end apart as ever.
    for (const before = answered; answered < before + SETTLED * SLOTS; ) await delay(QUIET_EACH_MS / 10);
    const flooded = await quietTasks();

    const others = await floodTasks();
    const passedBy: number[] = [];
    const waiting: number[] = [];
    for (const { id } of flooded) {
      const { json } = await calm.get(`/tasks/${id}`);
      const later = others.filter(({ started_at }) => started_at === null || started_at > json.started_at);
      const between = others.filter(
        ({ started_at }) => started_at !== null && started_at > json.created_at && started_at <= json.started_at,
      );
      passedBy.push(between.length);
      waiting.push(later.length);
    }
    const middle = (tasks: { firstMs: number }[]) => median(tasks.map(({ firstMs }) => firstMs));
    return { idleMs: middle(idle), floodedMs: middle(flooded), passedBy, waiting };
  } finally {
    await system.stop();
    await upstream.stop();
  }
}
