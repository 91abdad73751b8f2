/** `/healthz`: the process lives. `/readyz`: it can accept work now. */
import type { Hono } from 'hono';
import { z } from 'zod';
import type { Api, ApiEnv } from '../context.ts';
import { Health, Readiness } from '../openapi/answers.ts';
import { json, type Paths, problems, requestHeaders, TAGS } from '../openapi/operation.ts';
import { replyJson } from '../reply.ts';

/** A clock further off than this makes delays and deadlines early or late. */
const MAX_CLOCK_OFFSET_MS = 1_000;

export function healthRoutes(app: Hono<ApiEnv>, { deps, drain }: Api) {
  const { clock, schedule, partitions } = deps;
  app.get('/healthz', (c) => replyJson(c, 200, { status: 'ok' }));

  app.get('/readyz', async (c) => {
    const busBacklog = clock.available() ? await backlog().catch(() => null) : null;
    // Only now: while the backlog was asked for, Redis may have turned out to be away.
    const redis = clock.available();
    const clockOffsetMs = Math.round(clock.offset());
    const ready = redis && !clock.full() && !drain.aborted;
    return replyJson(c, ready ? 200 : 503, {
      status: ready ? 'ready' : drain.aborted ? 'draining' : 'unavailable',
      checks: {
        redis: redis ? 'ok' : 'unreachable',
        queues: !redis ? 'unreachable' : clock.full() ? 'full' : 'ok',
        clock: Math.abs(clockOffsetMs) > MAX_CLOCK_OFFSET_MS ? 'off' : 'ok',
      },
      clock_offset_ms: clockOffsetMs,
      bus_backlog: busBacklog,
      followed_tasks: deps.live.size(),
    } satisfies Readiness);
  });

  async function backlog(): Promise<number> {
    const lengths = await clock.guard(() =>
      Promise.all(Array.from({ length: partitions }, (_, partition) => schedule.busLength(partition))),
    );
    return lengths.reduce((sum, length) => sum + length, 0);
  }
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
