/** `/healthz`: the process lives. `/readyz`: it can accept work now. */
import type { Hono } from 'hono';
import type { Api, ApiEnv } from '../context.ts';

/** A clock further off than this makes delays and deadlines early or late. */
const MAX_CLOCK_OFFSET_MS = 1_000;

export function healthRoutes(app: Hono<ApiEnv>, { deps, drain }: Api) {
  const { clock, schedule, partitions } = deps;
  app.get('/healthz', (c) => c.json({ status: 'ok' }));

  app.get('/readyz', async (c) => {
    const redis = clock.available();
    const clockOffsetMs = Math.round(clock.offset());
    const busBacklog = redis ? await backlog().catch(() => null) : null;
    const ready = redis && !clock.full() && !drain.aborted;
    return c.json(
      {
        status: ready ? 'ready' : drain.aborted ? 'draining' : 'unavailable',
        checks: {
          redis: redis ? 'ok' : 'unreachable',
          queues: !redis ? 'unreachable' : clock.full() ? 'full' : 'ok',
          clock: Math.abs(clockOffsetMs) > MAX_CLOCK_OFFSET_MS ? 'off' : 'ok',
        },
        clock_offset_ms: clockOffsetMs,
        bus_backlog: busBacklog,
        followed_tasks: deps.live.size(),
      },
      ready ? 200 : 503,
    );
  });

  async function backlog(): Promise<number> {
    const lengths = await clock.guard(() =>
      Promise.all(Array.from({ length: partitions }, (_, partition) => schedule.busLength(partition))),
    );
    return lengths.reduce((sum, length) => sum + length, 0);
  }
}
