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
const IN_FLIGHT = 50;
const PAGE = 200;

/** Of one task: until its first token, 200 ms; whole, 300 ms. */
const FIRST_TOKEN_MS = 200;
const WORDS = 10;
const WORD_MS = 10;

export type Fairness = {
  /** Medians of the time to the first token of the quiet owner. */
  idleMs: number;
  floodedMs: number;
  /** Of each quiet task: flood tasks that started after it was accepted and before it, and that were still waiting then. */
  passedBy: number[];
  waiting: number[];
};

type FloodTask = { task_id: string; created_at: string; started_at: string | null };

/** Runs a system of its own: one runner of 50 slots, `flood` tasks of one owner, `quiet` of another before and behind them. */
export async function fairness({ flood = 2_000, quiet = 7 } = {}): Promise<Fairness> {
  const upstream = await startUpstream(async (call) => {
    await delay(FIRST_TOKEN_MS);
    await slowWords(WORDS, WORD_MS)(call);
  });
  const API_KEYS = `flood:${FLOOD_KEY},quiet:${QUIET_KEY}`;
  const env = { ...upstream.env, API_KEYS, RATE_LIMIT: '0', QUEUES: 'chat.request:50', LOCK_DURATION_MS: '30000' };
  const system = await startSystem({ env });
  const flooder = ownerClient(system.url, FLOOD_KEY);
  const calm = ownerClient(system.url, QUIET_KEY);

  /** Submits a task and reads its stream; gives the time to the first token. */
  async function quietTask(): Promise<{ id: string; firstMs: number }> {
    const headers = { ...bearer(QUIET_KEY), Accept: 'text/event-stream', 'Content-Type': 'application/json' };
    const startedAt = performance.now();
    const response = await fetch(`${system.url}/api/chat`, { method: 'POST', headers, body: JSON.stringify(chat()) });
    if (response.status !== 200) throw new Error(`the quiet owner got ${response.status}: ${await response.text()}`);
    let firstMs = 0;
    for await (const { type } of readStream(response)) {
      if (type === 'text' && firstMs === 0) firstMs = performance.now() - startedAt;
    }
    return { id: response.headers.get('x-task-id') ?? '', firstMs };
  }
  async function quietTasks() {
    const tasks = [];
    for (let i = 0; i < quiet; i++) tasks.push(await quietTask());
    return tasks;
  }
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
      while (left-- > 0) await flooder.submit();
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, post));
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
