/**
 * `/readyz`: it can accept work now. Anybody may ask, so it says nothing of owners and tasks; and often, so what is costly for
 * Redis is asked once a second.
 */
import type { Readiness as Known } from '@beanline/shared/outbox/readiness.ts';
import type { Api } from '../http/context.ts';
import { replyJson } from '../http/reply.ts';
import { type App, route } from '../http/route.ts';
import { Readiness } from '../openapi/answers.ts';
import { ready, unavailable } from '../openapi/examples.ts';
import { json } from '../openapi/operation.ts';
import { TAG } from './health.ts';
import { createStoreCheck } from './store-check.ts';

const CACHE_MS = 1_000;
/** Age of the oldest entry that a sink has not read, from which the outbox counts as behind. */
const MAX_OUTBOX_LAG_MS = 30_000;

type Checks = Readiness['checks'];

/** Reads what Redis knows of queues, runners and the outbox, once a second at most; null when it cannot be read. */
function createReader({ clock, readiness, catalog }: Api['deps']): () => Promise<Known | null> {
  const types = [...catalog.keys()];
  let cached: { at: number; read: Promise<Known | null> } | undefined;
  return () => {
    if (!cached || performance.now() - cached.at > CACHE_MS) {
      const read = clock.guard(() => readiness.read(types, clock.now()), 'all').catch(() => null);
      cached = { at: performance.now(), read };
    }
    return cached.read;
  };
}

/** Whether Redis takes what is submitted; undefined when it does not answer. */
function takesWrites({ clock, readiness }: Api['deps']): Promise<boolean | undefined> {
  const partition = clock.pickPartition();
  return clock.guard(() => readiness.takesWrites(partition), { partition }).catch(() => undefined);
}

const check = <Bad extends string>(good: boolean | undefined, bad: Bad) =>
  good === undefined ? 'unknown' : good ? 'ok' : bad;

const isUnserved = ({ runners }: Known['queues'][number]) => runners === 0;

function checksOf(
  { deps: { clock, clockCheck }, config }: Api,
  known: Known | null,
  writable: boolean | undefined,
  store: Checks['store'],
): Checks {
  // Only now: while Redis was asked, it may have turned out to be away.
  const redis = clock.available();
  const refuses = known?.writable === false || writable === false;
  const isBelowLimits = ({ waiting, waitingBytes }: Known['queues'][number]) =>
    waiting < config.MAX_QUEUE_TASKS && waitingBytes < config.MAX_QUEUE_BYTES;
  return {
    // These two decide; the others warn, for work that is accepted now is done later.
    redis: redis ? 'ok' : 'unreachable',
    writes: !redis ? 'unreachable' : clock.full() ? 'full' : refuses ? 'refused' : 'ok',
    queues: check(known?.queues.every(isBelowLimits), 'full'),
    runners: check(known ? !known.queues.some(isUnserved) : undefined, 'absent'),
    relay: check(known ? known.untended === 0 : undefined, 'absent'),
    store,
    bus: check(known ? known.outbox.lagMs <= MAX_OUTBOX_LAG_MS : undefined, 'behind'),
    clock: clockCheck.off() ? 'off' : 'ok',
  };
}

function statusOf(checks: Checks, drain: AbortSignal): Readiness['status'] {
  if (drain.aborted) return 'draining';
  if (checks.writes !== 'ok') return 'unavailable';
  return checks.runners === 'absent' ? 'degraded' : 'ready';
}

function readinessJson({ deps, config, drain }: Api, known: Known | null, checks: Checks): Readiness {
  const unserved = known?.queues.filter(isUnserved).map(({ type }) => type) ?? null;
  return {
    status: statusOf(checks, drain),
    checks,
    queues_without_runner: unserved,
    clock_offset_ms: Math.round(deps.clock.offset()),
    bus_backlog: known?.outbox.backlog ?? null,
    bus_lag_ms: known?.outbox.lagMs ?? null,
    queues: known
      ? known.queues.map(({ type, waiting, waitingBytes, runners }) => ({
          type,
          waiting,
          max_waiting: config.MAX_QUEUE_TASKS,
          waiting_bytes: waitingBytes,
          max_waiting_bytes: config.MAX_QUEUE_BYTES,
          runners,
        }))
      : null,
    caches: { sessions: deps.cache.tally(), answers: known?.answers ?? null },
    followed_tasks: deps.live.size(),
  };
}

export function readinessRoute(app: App, api: Api) {
  const { deps } = api;
  const read = createReader(deps);
  const checkStore = createStoreCheck(deps.store);
  route(app, {
    method: 'get',
    path: '/readyz',
    isPublic: true,
    operation: {
      operationId: 'readiness',
      summary: 'It can accept work now',
      tag: TAG,
      answers: { 200: json('It can', Readiness, ready), 503: json('It cannot', Readiness, unavailable) },
    },
    async handler(c) {
      // One round trip for each request: what was known a second ago must not hide that Redis is frozen now.
      const asked = deps.clock.available() ? ([read(), takesWrites(deps)] as const) : ([null, undefined] as const);
      const [known, writable, store] = await Promise.all([...asked, checkStore()]);
      const body = readinessJson(api, known, checksOf(api, known, writable, store));
      const isReady = body.status === 'ready' || body.status === 'degraded';
      return replyJson(c, isReady ? 200 : 503, body, { 'Cache-Control': 'no-store' });
    },
  });
}
