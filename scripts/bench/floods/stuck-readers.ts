/** Clients that ask for a large answer and never read it. */
import { setTimeout as delay } from 'node:timers/promises';
import { chat } from '../../testing/client.ts';
import { ownerClient } from '../../testing/owners.ts';
import { startUpstream } from '../../testing/upstream.ts';
import { startRelay, startRunner } from '../program.ts';
import { FLOOD_KEY, type Flood, floodGet, type Place } from './flood.ts';

const EVENTS = 3_000;
const EVENT_LETTERS = 1_100;
const READERS = 1_200;
const LOG_READERS = 150;
const RETENTION_MS = 1_000;
const LOOK_MS = 50;

/** A task of the flood's owner with an answer of 3.3 MB, which runs here. */
async function largeTask({ api, bench, env }: Place): Promise<string> {
  const upstream = await startUpstream((call) => {
    for (let i = 0; i < EVENTS; i++) call.text('x'.repeat(EVENT_LETTERS));
    call.finish();
  });
  const runner = await startRunner({ ...env, ...upstream.env }, bench.how);
  const client = ownerClient(api.url, FLOOD_KEY);
  try {
    const { status, json, text } = await client.post('/api/chat', chat());
    if (status !== 202) throw new Error(`the large task was not accepted: ${text}`);
    for (let ended = false; !ended; await delay(LOOK_MS)) {
      const { json: task } = await client.get(json.urls.self);
      if (task.ended_at !== null && task.status !== 'completed') throw new Error(`the large task is ${task.status}`);
      ended = task.status === 'completed';
    }
    return json.task_id;
  } finally {
    await runner.stop();
    await upstream.stop();
  }
}

export const answerReaders: Flood = {
  name: `${READERS} that never read an answer`,
  about: `${READERS} sockets that ask for a task of 3.3 MB at once and never read`,
  async prepare(place) {
    const id = await largeTask(place);
    return { requests: [floodGet(place.api, `/tasks/${id}`)], clients: READERS, reads: false };
  },
};

export const logReaders: Flood = {
  name: `${LOG_READERS} that never read an archived log`,
  about: `${LOG_READERS} sockets that ask for the events of an archived task at once, 6.6 MB, and never read`,
  async prepare(place) {
    const { api, bench, env, redis } = place;
    const id = await largeTask(place);
    const relay = await startRelay(
      { ...env, TASK_RETENTION_MS: String(RETENTION_MS), SWEEP_INTERVAL_MS: '100' },
      bench.how,
    );
    while ((await redis.cli('--scan', '--pattern', `*:task:${id}`)) !== '') await delay(LOOK_MS);
    await relay.stop();
    return { requests: [floodGet(api, `/tasks/${id}/events`)], clients: LOG_READERS, reads: false };
  },
};
