/** Whether lists and searches of sessions stay as fast when there are ten times as many: two stores side by side. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '@beanline/shared/config.ts';
import { createLog } from '@beanline/shared/log.ts';
import { type Message, makeMessageId, makeSessionId } from '@beanline/shared/session.ts';
import { openStore } from '@beanline/shared/store/open-store.ts';
import { testRedis } from '../../testing/test-redis.ts';
import { type Bench, type BenchPart, each, inTurns } from '../bench.ts';
import { getRequest, httpLatencies } from '../http-load.ts';
import { startApi } from '../program.ts';
import { median, type Row, type Section } from '../report.ts';
import { OWNER } from '../tasks.ts';

const FEW = 1_000;
const MANY = 10_000;
const MESSAGES = 100;
const ROUNDS = 9;
const ROUND_MS = 300;
const DAY_MS = 86_400_000;
/** So many messages hold each of the rare words, however many there are. */
const RARE = 20;
const RARE_WORDS = ['zygomorphic', '분산트랜잭션'];

const WORDS =
  'queue worker token stream cancel retry approve cost exact across process failure replay cursor lease partition relay sink store session 대화 작업 대기열 재시도 승인 비용 취소 흐름 기록 검색'.split(
    ' ',
  );

/** Pseudo-random, the same in every run. */
function random(seed: number) {
  let state = seed;
  return (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Fills a store with `count` sessions of 100 messages of about 60 letters. Gives how long that took. */
async function fill(env: Record<string, string>, count: number): Promise<number> {
  const startedAt = performance.now();
  const store = openStore(readConfig(env), createLog({ level: 'silent', name: 'bench' }));
  const pick = random(count);
  const words = (length: number) => Array.from({ length }, () => WORDS[pick(WORDS.length)]).join(' ');
  const rareEvery = Math.floor((count * MESSAGES) / RARE);
  const from = Date.now() - 30 * DAY_MS;
  for (let i = 0; i < count; i++) {
    const createdAt = from + Math.floor((i / count) * 29 * DAY_MS);
    const id = makeSessionId(createdAt);
    await store.sessions.create({
      id,
      owner: OWNER,
      title: words(5),
      titleBy: 'client',
      featureMode: i % 3 === 0 ? 'rag' : 'chat',
      model: null,
      featureOptions: '{}',
      createdAt,
      updatedAt: createdAt,
      totalTokens: 0,
      messageCount: 0,
      summary: null,
    });
    const messages = Array.from({ length: MESSAGES }, (_, j): Message => {
      const rare = (i * MESSAGES + j) % rareEvery === 7 ? ` ${RARE_WORDS.join(' ')}` : '';
      const text = `${words(9)}${rare}`;
      const made = { id: makeMessageId(createdAt + j), role: j % 2 ? 'assistant' : 'user', text } as const;
      const none = { model: null, usage: null, metadata: '{}', task: null };
      return { ...made, ...none, content: JSON.stringify(text), createdAt: createdAt + j };
    });
    const turn = { id: messages[0]?.id ?? '', messages, tokens: pick(10_000), now: createdAt + MESSAGES };
    await store.messages.append(OWNER, id, turn);
  }
  await store.close();
  return performance.now() - startedAt;
}

async function system({ open, how }: Bench, count: number) {
  const redis = await open(testRedis());
  const dataDir = mkdtempSync(join(tmpdir(), 'beanline-bench-'));
  await open({ stop: () => rmSync(dataDir, { recursive: true, force: true }) });
  const tookMs = await fill({ DATA_DIR: dataDir }, count);
  const megabytes = statSync(join(dataDir, 'store.db')).size / 1e6;
  const env = { REDIS_URL: redis.url, DATA_DIR: dataDir, DRAIN_MS: '0', RATE_LIMIT: '0' };
  const plain = await open(startApi({ ...env, SESSION_CACHE_MS: '0', SESSION_LIST_CACHE_MS: '0' }, how));
  const cached = await open(startApi(env, how));

  /** The median time of one such request, in ms. */
  const ask = (port: number, query: () => string) => () =>
    httpLatencies({
      port,
      request: () => getRequest(port, `/api/chat/sessions?${query()}`),
      status: 200,
      forMs: ROUND_MS,
      inFlight: 1,
    }).then(median);
  const search = (word: string) => () => `query=${encodeURIComponent(word)}`;
  async function found(word: string): Promise<number> {
    const response = await fetch(`${plain.url}/api/chat/sessions?${search(word)()}`);
    return ((await response.json()) as { total: number }).total;
  }
  for (const word of RARE_WORDS) {
    const total = await found(word);
    if (total !== RARE) throw new Error(`${total} sessions were found instead of ${RARE}`);
  }
  let page = 0;
  return {
    tookMs,
    megabytes,
    asks: {
      'list, newest first': ask(plain.port, () => 'limit=50'),
      'list, page 15, by tokens, of one mode': ask(
        plain.port,
        () => 'limit=20&skip=300&sort_by=total_tokens&feature_mode=rag',
      ),
      'search of a rare word': ask(plain.port, search(RARE_WORDS[0] ?? '')),
      'search of a rare Korean word': ask(plain.port, search(RARE_WORDS[1] ?? '')),
      'search of a word of every session': ask(plain.port, search('대기열')),
      'search of two letters': ask(plain.port, search('zy')),
      'list, of five pages, cached': ask(cached.port, () => `limit=50&skip=${50 * (page++ % 5)}`),
    },
    /** The part of the reads that the caches answered. */
    async hitRate() {
      const response = await fetch(`${cached.url}/readyz`);
      const { caches } = (await response.json()) as { caches: { sessions: { hits: number; misses: number } } };
      const { hits, misses } = caches.sessions;
      return hits / (hits + misses);
    },
  };
}

async function measure(bench: Bench): Promise<Section[]> {
  const few = await system(bench, FEW);
  const many = await system(bench, MANY);
  const rows: Row[] = [];
  for (const name of Object.keys(few.asks) as (keyof typeof few.asks)[]) {
    const turns = { rounds: ROUNDS, warmUps: 1, restMs: 20 };
    const times = await inTurns({ few: few.asks[name], many: many.asks[name] }, turns);
    rows.push({ name: `${name}: ${FEW.toLocaleString('en')}`, unit: 'ms', values: times.few });
    rows.push({ name: `${name}: ${MANY.toLocaleString('en')}`, unit: 'ms', values: times.many });
    const ratio = each(times.many, times.few);
    rows.push({ name: `${name}: ratio`, unit: '', values: ratio, goal: { atMost: 1.5 } });
  }
  const rate = [await few.hitRate(), await many.hitRate()];
  rows.push({ name: 'reads answered by the caches', unit: '', values: rate, goal: { atLeast: 0.9 } });
  const perSecond = [few, many].map(({ tookMs }, i) => ((i ? MANY : FEW) * MESSAGES * 1_000) / tookMs);
  rows.push({ name: 'messages written while filling', unit: 'per s', values: perSecond });
  rows.push({ name: `file of ${MANY.toLocaleString('en')} sessions`, unit: 'MB', values: [many.megabytes] });
  return [
    {
      title: `Sessions of one owner, ${MESSAGES} messages each: median time of a request`,
      about: 'Two SQLite stores side by side, each behind an API without caches, and one with.',
      rows,
    },
  ];
}

export const sessions: BenchPart = { name: 'sessions', long: true, measure };
