/** The task scripts on a real Redis: one server per test file, and a key prefix of its own for each `setup()`. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, type TestContext } from 'node:test';
import { createLog } from '@beanline/shared/log.ts';
import { createDeferred } from '@beanline/shared/outbox/deferred.ts';
import { createLease } from '@beanline/shared/outbox/lease.ts';
import { createOutbox } from '@beanline/shared/outbox/outbox.ts';
import { createRetention } from '@beanline/shared/outbox/retention.ts';
import type { AttemptRef, Limits, NewTask } from '@beanline/shared/record/task-verdicts.ts';
import { createTasks } from '@beanline/shared/record/tasks.ts';
import { parseRedisUrl } from '@beanline/shared/redis/address.ts';
import { connect } from '@beanline/shared/redis/connect.ts';
import { createKeys } from '@beanline/shared/redis/keys.ts';
import { SESSION } from '@beanline/shared/sessions/marks.ts';
import type { Approval } from '@beanline/shared/task.ts';
import { makeTaskId } from '@beanline/shared/task-id.ts';
import { Redis } from 'ioredis';
import { type TestRedis, testRedis } from './test-redis.ts';
import { until } from './until.ts';

export const TYPE = 'chat.request';
export const LOST = { code: 'worker_lost', message: 'lost' } as const;
export const silentLog = createLog({ level: 'silent', name: 'test' });

const LIMITS: Limits = {
  maxQueueTasks: 100_000,
  maxQueueBytes: 1e9,
  maxOwnerTasks: 100_000,
  spreadMs: 1_000,
  firstCheckMs: 5_000,
  cancelGraceMs: 10_000,
  maxStepsBytes: 1_000_000,
  maxMessages: 1_000,
  maxMessagesBytes: 1_000_000,
  patienceMs: 0,
};

/** As a submit marks the task of a session. */
function marksOf(input = '{}'): NewTask['marks'] {
  const sessionId = /"session_id":"([^"]+)"/.exec(input)?.[1];
  return sessionId === undefined ? {} : { [SESSION]: sessionId };
}

/** Starts the file's Redis before its first test and gives the `setup` of its tests. */
export function taskRedis(options: Parameters<typeof testRedis>[0] = {}) {
  let server: TestRedis;
  let tests = 0;
  before(async () => {
    server = await testRedis(options);
  });
  after(() => server.stop());

  return (t: TestContext, given: { limits?: Partial<Limits>; partitions?: number } = {}) => {
    const prefix = `t${++tests}`;
    const partitions = given.partitions ?? 1;
    const redis = connect(parseRedisUrl(server.url), { name: 'test', for: 'worker', log: silentLog });
    assert.ok(redis instanceof Redis);
    t.after(() => redis.disconnect());
    const keys = createKeys(prefix);
    const tasks = createTasks(redis, keys, partitions, { ...LIMITS, ...given.limits });

    const newTask = (over: Partial<NewTask> = {}): NewTask => ({
      id: makeTaskId(Date.now(), 0),
      owner: 'anna',
      type: TYPE,
      typeVersion: 1,
      input: '{"messages":[]}',
      headStartMs: 0,
      runAt: 0,
      delayMs: 0,
      startBy: undefined,
      timeoutMs: 60_000,
      maxAttempts: 3,
      patienceMs: undefined,
      priority: 0,
      spread: true,
      metadata: {},
      requestId: 'request-1',
      traceparent: undefined,
      retryOf: undefined,
      marks: marksOf(over.input),
      idempotency: undefined,
      notAfter: Date.now() + 60_000,
      ...over,
    });
    const beginOptions = (over: Partial<Parameters<typeof tasks.begin>[1]> = {}) => ({
      fence: randomUUID(),
      worker: 'worker-1',
      typeVersion: 1,
      mayRestart: true,
      lost: LOST,
      ...over,
    });
    /** Redis TIME in ms. */
    async function now(): Promise<number> {
      const [seconds = 0, micros = 0] = (await redis.time()).map(Number);
      return seconds * 1_000 + micros / 1_000;
    }
    const allKeys = async () => (await redis.keys(`${prefix}:*`)).sort();

    async function value(key: string): Promise<unknown> {
      switch (await redis.type(key)) {
        case 'string':
          return redis.get(key);
        case 'hash':
          return redis.hgetall(key);
        case 'stream':
          return redis.xrange(key, '-', '+');
        default:
          return redis.zrange(key, '0', '-1', 'WITHSCORES');
      }
    }

    /** Every key with its value, and whether it goes away by itself. */
    async function dump(): Promise<Record<string, { value: unknown; expires: boolean }>> {
      const entries = (await allKeys()).map(
        async (key) => [key, { value: await value(key), expires: (await redis.pttl(key)) >= 0 }] as const,
      );
      return Object.fromEntries(await Promise.all(entries));
    }

    /** Calls and checks that no key changed. */
    async function unchanged<T>(call: () => Promise<T>): Promise<T> {
      const kept = await dump();
      const answer = await call();
      assert.deepEqual(await dump(), kept);
      return answer;
    }

    /** Calls twice, as a client that lost the first answer does: the same answer, and nothing changed. */
    async function twice<T>(call: () => Promise<T>): Promise<T> {
      const first = await call();
      assert.deepEqual(await unchanged(call), first);
      return first;
    }

    async function create(over: Partial<NewTask> = {}): Promise<string> {
      const task = newTask(over);
      assert.equal((await tasks.create(task)).verdict, 'created');
      return task.id;
    }

    async function begin(id: string, fence: string = randomUUID()) {
      const begun = await tasks.begin(id, beginOptions({ fence }));
      assert.equal(begun.verdict, 'start');
      const ref: AttemptRef = { id, attempt: begun.attempt, fence };
      return { ref, lastId: begun.lastId };
    }

    /** A created task whose first attempt runs. */
    async function running(over: Partial<NewTask> = {}) {
      return begin(await create(over));
    }

    const ending = (lastId: string) => ({
      after: lastId,
      entries: [],
      status: 'completed' as const,
      output: '{"content":"done"}',
      error: null,
      usage: undefined,
    });
    const retry = (lastId: string) => ({
      after: lastId,
      entries: [],
      failure: true,
      delayMs: 0,
      usage: undefined,
      partial: null,
      event: { reason: 'provider_busy', delay_ms: 0, discard: true },
    });
    /** A release that parks the task until it is answered; expires in a minute unless told. */
    const parking = (lastId: string, over: { id?: string; expiresAt?: number; onExpiry?: string } = {}) => {
      const { id = 'appr_1', expiresAt = Date.now() + 60_000, onExpiry = 'expire' } = over;
      const view: Approval = {
        approval_id: id,
        tool: 'mail',
        arguments: { to: [] },
        arguments_hash: 'hash',
        actions: ['run', 'cancel', 'change_tool'],
        expires_at: new Date(expiresAt).toISOString(),
      };
      return { ...retry(lastId), failure: false, event: view, approval: { id, view, expiresAt, onExpiry } };
    };
    const reply = (approvalId = 'appr_1', nonce: string = randomUUID()) => {
      const resumed = { approval_id: approvalId, action: 'run', by: 'anna' };
      return { approvalId, nonce, answer: { ...resumed, data: { list: [] } }, resumed };
    };

    /** The whole log, checked: ids rise, each names the one before it, and nothing follows `done`. */
    async function events(id: string) {
      const rows = await redis.xrange(keys.log(0, id), '-', '+');
      let last = '0-0';
      return rows.map(([eventId, fields], index) => {
        const at = Object.fromEntries(fields.flatMap((name, i) => (i % 2 ? [] : [[name, fields[i + 1] ?? '']])));
        assert.equal(at.prev, last);
        const [attempt = 0, seq = 0] = eventId.split('-').map(Number);
        const [lastAttempt = 0, lastSeq = 0] = last.split('-').map(Number);
        assert.ok(attempt > lastAttempt || (attempt === lastAttempt && seq > lastSeq), `${eventId} after ${last}`);
        if (at.type === 'done') assert.equal(index, rows.length - 1);
        last = eventId;
        return { id: eventId, type: at.type ?? '', text: at.data ?? '', data: JSON.parse(at.data ?? '') };
      });
    }

    return {
      server,
      redis,
      keys,
      tasks,
      outbox: createOutbox(redis, keys),
      lease: createLease(redis, keys),
      retention: createRetention(redis, keys),
      deferred: createDeferred(redis, keys),
      newTask,
      beginOptions,
      create,
      begin,
      running,
      ending,
      retry,
      parking,
      reply,
      events,
      allKeys,
      dump,
      unchanged,
      twice,
      record: (id: string) => redis.hgetall(keys.task(0, id)),
      counts: () => redis.hgetall(keys.counts(0)),
      /** Transitions of all tasks, from the outbox. */
      moves: async () =>
        (await redis.xrange(keys.outbox(0), '-', '+')).map(([, fields]) => {
          const value = (name: string) => fields[fields.indexOf(name) + 1] ?? '';
          return `${value('from')}>${value('to')}`;
        }),
      now,
      /** Waits until Redis TIME has moved on by this much. */
      async pass(ms: number) {
        const end = (await now()) + ms;
        await until(async () => (await now()) > end);
      },
    };
  };
}

export type TaskRedis = ReturnType<ReturnType<typeof taskRedis>>;
