/**
 * `/healthz`: the process lives. `/readyz`: it can accept work now. Anyone may ask, so it says nothing of owners and tasks;
 * and often, so that what costs Redis something is asked for once a second.
 */
import type { Readiness as Known } from '@beanline/shared/outbox/readiness.ts';
import type { Hono } from 'hono';
import { z } from 'zod';
import type { Api, ApiEnv } from '../http/context.ts';
import { replyJson } from '../http/reply.ts';
import { createStoreCheck } from '../http/store-check.ts';
import { Health, Readiness } from '../openapi/answers.ts';
import { json, type Paths, problems, requestHeaders, TAGS } from '../openapi/operation.ts';

const CACHE_MS = 1_000;
/** Age of the oldest entry that a sink has not read, from which the bus counts as behind. */
const MAX_BUS_LAG_MS = 30_000;

export function healthRoutes(app: Hono<ApiEnv>, { deps, config, drain }: Api) {
  const { clock, clockCheck, readiness, catalog } = deps;
  const types = [...catalog.keys()];
  const storeCheck = createStoreCheck(deps.store);
  let cached: { at: number; read: Promise<Known | null> } | undefined;

  /** Null when it cannot be read. */
  function state(): Promise<Known | null> {
    if (!cached || performance.now() - cached.at > CACHE_MS) {
      const read = clock.guard(() => readiness.read(types, clock.now()), 'all').catch(() => null);
      cached = { at: performance.now(), read };
    }
    return cached.read;
  }

  function takesWrites(): Promise<boolean> {
    const partition = clock.pickPartition();
    return clock.guard(() => readiness.takesWrites(partition), { partition });
  }

  const atLimit = ({ waiting, waitingBytes }: Known['queues'][number]) =>
    waiting >= config.MAX_QUEUE_TASKS || waitingBytes >= config.MAX_QUEUE_BYTES;

  app.get('/healthz', (c) => replyJson(c, 200, { status: 'ok' }));

  app.get('/readyz', async (c) => {
    // One round trip for each who asks: what was known a second ago must not hide that Redis is frozen now.
    const asked = clock.available()
      ? ([state(), takesWrites().catch(() => undefined)] as const)
      : ([null, undefined] as const);
    const [known, writable, store] = await Promise.all([...asked, storeCheck()]);
    // Only now: while Redis was asked, it may have turned out to be away.
    const redis = clock.available();
    const writes = !redis
      ? 'unreachable'
      : clock.full()
        ? 'full'
        : known?.writable === false || writable === false
          ? 'refused'
          : 'ok';
    const ready = writes === 'ok' && !drain.aborted;
    const check = <Bad extends string>(good: boolean | undefined, bad: Bad) =>
      good === undefined ? 'unknown' : good ? 'ok' : bad;
    return replyJson(
      c,
      ready ? 200 : 503,
      {
        status: ready ? 'ready' : drain.aborted ? 'draining' : 'unavailable',
        checks: {
          // These two decide; the others warn, for work that is accepted now is done later.
          redis: redis ? 'ok' : 'unreachable',
          writes,
          queues: check(
            known?.queues.every((queue) => !atLimit(queue)),
            'full',
          ),
          runners: check(
            known?.queues.every(({ runners }) => runners > 0),
            'absent',
          ),
          relay: check(known ? known.untended === 0 : undefined, 'absent'),
          store,
          bus: check(known ? known.bus.lagMs <= MAX_BUS_LAG_MS : undefined, 'behind'),
          clock: clockCheck.off() ? 'off' : 'ok',
        },
        clock_offset_ms: Math.round(clock.offset()),
        bus_backlog: known?.bus.backlog ?? null,
        bus_lag_ms: known?.bus.lagMs ?? null,
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
      } satisfies Readiness,
      { 'Cache-Control': 'no-store' },
    );
  });
}

const asked = { tags: [TAGS.monitoring], security: [], requestParams: { header: z.object(requestHeaders) } };

export const healthPaths: Paths = {
  '/healthz': {
    get: {
      operationId: 'health',
      summary: 'The process lives',
      ...asked,
      responses: { 200: json('It does', Health), ...problems() },
    },
  },
  '/readyz': {
    get: {
      operationId: 'readiness',
      summary: 'It can accept work now',
      ...asked,
      responses: { 200: json('It can', Readiness), ...problems(), 503: json('It cannot', Readiness) },
    },
  },
};
