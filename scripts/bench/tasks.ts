/** A bench that plays a part of beanline itself: tasks made, begun and written by the real scripts, without an API or a runner. */
import { randomUUID } from 'node:crypto';
import { createLog } from '@beanline/shared/log.ts';
import { createQueue } from '@beanline/shared/queue/queue.ts';
import type { AttemptRef } from '@beanline/shared/record/task-verdicts.ts';
import { createTasks } from '@beanline/shared/record/tasks.ts';
import { parseRedisUrl } from '@beanline/shared/redis/address.ts';
import { connect } from '@beanline/shared/redis/connect.ts';
import { createKeys } from '@beanline/shared/redis/keys.ts';
import { makeTaskId } from '@beanline/shared/task-id.ts';

/** The owner of every task while there are no API keys. */
export const OWNER = 'local';
export const TYPE = 'chat.request';

export type BenchTasks = ReturnType<typeof benchTasks>;

/** Tasks under a key prefix of a Redis. `stop` closes the connections. */
export function benchTasks(redisUrl: string, prefix = 'bl') {
  const log = createLog({ level: 'silent', name: 'bench' });
  const address = parseRedisUrl(redisUrl);
  const redis = connect(address, { name: 'bench', for: 'worker', log });
  const queueRedis = connect(address, { name: 'bench-queue', for: 'worker', log });
  const keys = createKeys(prefix);
  const limits = { maxQueueTasks: 1e6, maxQueueBytes: 1e12, maxOwnerTasks: 1e6, spreadMs: 0 };
  const inTask = { maxStepsBytes: 1e9, maxMessages: 1e3, maxMessagesBytes: 1e6 };
  const times = { firstCheckMs: 5_000, cancelGraceMs: 10_000, patienceMs: 10_000 };
  const scripts = createTasks(redis, keys, 1, { ...limits, ...inTask, ...times });
  const queue = createQueue(queueRedis, prefix);

  async function create(input: object) {
    const id = makeTaskId(Date.now(), 0);
    const created = await scripts.create({
      id,
      owner: OWNER,
      spread: false,
      type: TYPE,
      typeVersion: 1,
      input: JSON.stringify(input),
      headStartMs: 0,
      runAt: 0,
      delayMs: 0,
      startBy: undefined,
      timeoutMs: 300_000,
      maxAttempts: 3,
      patienceMs: undefined,
      priority: 0,
      metadata: {},
      requestId: randomUUID(),
      traceparent: undefined,
      retryOf: undefined,
      marks: {},
      idempotency: undefined,
      notAfter: Date.now() + 60_000,
    });
    if (created.verdict !== 'created') throw new Error(`a task was not created: ${created.verdict}`);
    return { id, rank: created.rank };
  }

  return {
    redis,
    keys,
    scripts,
    create,

    /** A task whose first attempt runs here. `say` appends one text event. */
    async running(input: object) {
      const { id } = await create(input);
      const fence = randomUUID();
      const lost = { code: 'worker_lost', message: 'lost' } as const;
      const begun = await scripts.begin(id, { fence, worker: 'bench', typeVersion: 1, mayRestart: true, lost });
      if (begun.verdict !== 'start') throw new Error(`a task did not begin: ${begun.verdict}`);
      const ref: AttemptRef = { id, attempt: begun.attempt, fence };
      let lastId = begun.lastId;
      return {
        ref,
        lastId: () => lastId,
        async say(content: string) {
          const next = `${ref.attempt}-${Number(lastId.split('-')[1]) + 1}`;
          const entry = { id: next, type: 'text' as const, data: JSON.stringify({ content }) };
          const { verdict } = await scripts.append(ref, lastId, [entry]);
          if (verdict !== 'appended') throw new Error(`an event was not appended: ${verdict}`);
          lastId = next;
        },
      };
    },

    /** Puts created tasks on the queue, all at once. */
    add: (created: { id: string; rank: number }[]) =>
      queue.add(created.map(({ id, rank }) => ({ id, type: TYPE, rank, delayMs: 0 }))),

    async stop() {
      await queue.close();
      for (const connection of [redis, queueRedis]) connection.disconnect();
    },
  };
}
