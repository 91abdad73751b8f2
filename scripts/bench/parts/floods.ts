/** What the floods of one owner do to the requests of another, side by side with an idle API. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ownerClient } from '../../testing/owners.ts';
import { testRedis } from '../../testing/test-redis.ts';
import { type Bench, type BenchPart, each, inTurns } from '../bench.ts';
import { httpLatencies } from '../http-load.ts';
import { startApi } from '../program.ts';
import { median, type Row, type Section } from '../report.ts';

const FLOOD_KEY = 'flood-key-0123456789';
const QUIET_KEY = 'quiet-key-0123456789';
const ROUNDS = 7;
const ROUND_MS = 1_500;
/** A flood begins so much earlier and ends so much later than what is measured beside it. */
const MARGIN_MS = 400;
const CLIENTS = 10;
const NOISE_LETTERS = 75_000;
const NOISES = 50;
/** Another owner's requests may take so many times as long beside a flood. */
const GOAL = 3;

/** Printable letters of which no three come twice, as far as there are: for an index the worst that a text can be. */
const noise = (length: number) =>
  Array.from({ length }, () => String.fromCharCode(0x23 + Math.floor(Math.random() * 0x38))).join('');

type Api = { url: string; port: number };

function postRequest({ port }: Api, key: string, path: string, body: unknown): string {
  const json = JSON.stringify(body);
  const head = [
    `POST ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    `Authorization: Bearer ${key}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(json)}`,
  ];
  return [...head, '', json].join('\r\n');
}

/** The path of a new session's messages. */
async function newSession({ url }: Api, key: string): Promise<string> {
  const { status, json, text } = await ownerClient(url, key).post('/api/chat/sessions', { title: 'flood' });
  if (status !== 201) throw new Error(`no session was made: ${text}`);
  return `/api/chat/sessions/${json.session.session_id}/messages`;
}

/** The median time of a write to a session of the quiet owner, in ms. */
async function sessionWrites(api: Api) {
  const path = await newSession(api, QUIET_KEY);
  const request = () => postRequest(api, QUIET_KEY, path, { role: 'user', content: 'What is a queue?' });
  return async () =>
    median(await httpLatencies({ port: api.port, request, status: 201, forMs: ROUND_MS, inFlight: 1 }));
}

/** Clients that post noise to one session, one message after the other. */
async function noiseToSession(api: Api): Promise<(forMs: number) => Promise<unknown>> {
  const path = await newSession(api, FLOOD_KEY);
  const requests = Array.from({ length: NOISES }, () =>
    postRequest(api, FLOOD_KEY, path, { role: 'user', content: noise(NOISE_LETTERS) }),
  );
  let next = 0;
  const request = () => requests[next++ % NOISES] ?? '';
  return (forMs) => httpLatencies({ port: api.port, request, status: 201, forMs, inFlight: CLIENTS });
}

/** What is measured, while it is idle and while a flood runs. */
function beside(measure: () => Promise<number>, flood: (forMs: number) => Promise<unknown>) {
  return async () => {
    const flooding = flood(ROUND_MS + 2 * MARGIN_MS);
    await delay(MARGIN_MS);
    const value = await measure();
    await flooding;
    return value;
  };
}

function rowsOf(name: string, { idle, flooded }: { idle: number[]; flooded: number[] }): Row[] {
  return [
    { name: `${name}: idle`, unit: 'ms', values: idle },
    { name: `${name}: beside the flood`, unit: 'ms', values: flooded },
    { name: `${name}: beside ÷ idle`, unit: '', values: each(flooded, idle), goal: { atMost: GOAL } },
  ];
}

async function measure({ open, how }: Bench): Promise<Section[]> {
  const redis = await open(testRedis());
  const dataDir = mkdtempSync(join(tmpdir(), 'beanline-bench-'));
  await open({ stop: () => rmSync(dataDir, { recursive: true, force: true }) });
  const API_KEYS = `flood:${FLOOD_KEY},quiet:${QUIET_KEY}`;
  const env = { REDIS_URL: redis.url, DATA_DIR: dataDir, DRAIN_MS: '0', RATE_LIMIT: '0', API_KEYS };
  const api = await open(startApi(env, how));
  const idle = await sessionWrites(api);
  const flooded = beside(idle, await noiseToSession(api));
  const writes = await inTurns({ idle, flooded }, { rounds: ROUNDS, warmUps: 1, restMs: 1_000 });
  return [
    {
      title: 'Median time of a request beside a flood of another owner',
      about: `One API over SQLite. The flood: ${CLIENTS} clients, each posting messages of ${NOISE_LETTERS / 1_000} kB of noise to a session.`,
      rows: rowsOf('write to a session', writes),
    },
  ];
}

export const floods: BenchPart = { name: 'floods', measure };
