import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLog } from '@beanline/shared/log.ts';
import { watchProgress } from './progress.ts';

const TIMEOUT_MS = 500;
const log = createLog({ level: 'silent', name: 'test' });
const idleConsumer = (type: string) => ({
  type,
  slots: 1,
  running: () => [],
  taken: () => 0,
  resting: () => false,
});

test('a look that hangs is no idle time, of the queue it asked about or of another', async (t) => {
  const resumed = Promise.withResolvers<number>();
  let hangs = 2;
  const watch = watchProgress({
    consumers: [idleConsumer('first'), idleConsumer('second')],
    async state(type) {
      // Redis is frozen after the second look at each has begun.
      if (type === 'first' && --hangs === 0) {
        await delay(2 * TIMEOUT_MS);
        resumed.resolve(performance.now());
      }
      return { waiting: 1, active: 0, held: null };
    },
    available: () => true,
    timeoutMs: TIMEOUT_MS,
    log,
  });
  t.after(watch.stop);
  const resumedAt = await resumed.promise;
  await watch.stuck;
  assert.ok(performance.now() - resumedAt >= TIMEOUT_MS, 'the time began anew when Redis answered');
});
