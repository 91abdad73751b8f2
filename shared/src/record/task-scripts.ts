/** The seven scripts as functions: arguments in, verdict out. Each may be sent twice; a repeat gets its first answer. */
import type { ErrorView } from '../errors.ts';
import type { RedisConnection } from '../redis/connect.ts';
import type { Keys } from '../redis/keys.ts';
import { createScripts } from '../redis/scripts.ts';
import { type EndStatus, RECORD_VERSION } from '../task.ts';
import { partitionOf } from '../task-id.ts';
import { createTaskCreation, INLINE_BYTES } from './create-tasks.ts';
import type {
  AttemptRef,
  AttemptUsage,
  BeginVerdict,
  CancelVerdict,
  CreateVerdict,
  Limits,
  NewEntry,
  NewTask,
  ReleaseOptions,
  ReleaseVerdict,
} from './task-verdicts.ts';

const json = JSON.stringify;
const flat = (entries: NewEntry[]) => [entries.length, ...entries.flatMap(({ id, type, data }) => [id, type, data])];
const usageArgs = (usage: AttemptUsage) =>
  usage ? [usage.inputTokens, usage.outputTokens, usage.estimated ? '1' : '0'] : ['', '', '0'];

export function createTaskScripts(redis: RedisConnection, keys: Keys, partitions: number, limits: Limits) {
  const run = createScripts(redis, limits.patienceMs);
  const create = createTaskCreation(redis, run, { keys, partitions, limits });

  function keysOf(id: string) {
    const p = partitionOf(id, partitions);
    if (p === null) throw new Error(`${id} is not a task id of this data`);
    return {
      p,
      common: [keys.task(p, id), keys.log(p, id), keys.live(p, id), keys.open(p), keys.counts(p), keys.bus(p)],
    };
  }

  return {
    /** Puts the input down and creates the task. */
    create(task: NewTask): Promise<CreateVerdict> {
      return create(keysOf(task.id).p, task);
    },

    /** Asks for the next attempt of a task, with the versions this runner understands. */
    async begin(
      id: string,
      options: { fence: string; worker: string; typeVersion: number; mayRestart: boolean; lost: ErrorView },
    ): Promise<BeginVerdict> {
      const { p, common } = keysOf(id);
      const reply = await run(
        'begin',
        [...common, keys.input(p, id)],
        [
          id,
          options.fence,
          json({ worker: options.worker }),
          RECORD_VERSION,
          options.typeVersion,
          options.mayRestart ? '1' : '0',
          json({ reason: options.lost.code, delay_ms: 0, discard: true }),
          json(options.lost),
          json({ action: 'expired', by: 'deadline' }),
          INLINE_BYTES,
        ],
      );
      const [verdict, ...rest] = reply;
      if (verdict === 'ended') return { verdict };
      if (verdict === 'newer') return { verdict, until: Number(rest[0]) };
      if (verdict === 'later') return { verdict, until: Number(rest[0]) };
      const [input, attempt, lastId, failures, maxAttempts, timeoutMs, requestId, traceparent, owner, turnOf] =
        rest.map(String);
      return {
        verdict: 'start',
        attempt: Number(attempt),
        lastId: lastId ?? '',
        failures: Number(failures),
        maxAttempts: Number(maxAttempts),
        timeoutMs: Number(timeoutMs),
        requestId: requestId ?? '',
        traceparent: traceparent ?? '',
        owner: owner ?? '',
        turnOf: turnOf || null,
        input: input || null,
      };
    },

    /** Writes events of an attempt. `cancelled` tells that a cancel was asked for. */
    async append(
      ref: AttemptRef,
      after: string,
      entries: NewEntry[],
    ): Promise<{ verdict: 'appended'; cancelled: boolean } | { verdict: 'superseded' | 'behind' }> {
      const [verdict, mark] = await run('append', keysOf(ref.id).common, [
        ref.id,
        ref.attempt,
        ref.fence,
        after,
        ...flat(entries),
      ]);
      return verdict === 'appended'
        ? { verdict, cancelled: mark !== '' }
        : { verdict: verdict as 'superseded' | 'behind' };
    },

    /** Ends the attempt but not the task. */
    async release(ref: AttemptRef, options: ReleaseOptions): Promise<ReleaseVerdict> {
      const { approval } = options;
      const [verdict, until] = await run('release', keysOf(ref.id).common, [
        ref.id,
        ref.attempt,
        ref.fence,
        options.after,
        approval ? 'input_required' : 'queued',
        options.failure ? 1 : 0,
        options.delayMs,
        approval ? 'human_approval' : 'retrying',
        json(options.event),
        ...usageArgs(options.usage),
        options.partial ?? '',
        approval?.id ?? '',
        approval ? json(approval.view) : '',
        approval?.expiresAt ?? 0,
        approval?.onExpiry ?? '',
        limits.firstCheckMs,
        ...flat(options.entries),
      ]);
      return verdict === 'released'
        ? { verdict, until: Number(until) }
        : { verdict: verdict as 'ended' | 'superseded' };
    },

    /** Ends the task. */
    async finish(
      ref: AttemptRef,
      options: {
        after: string;
        entries: NewEntry[];
        status: EndStatus;
        output: string | null;
        error: ErrorView | null;
        usage: AttemptUsage;
      },
    ): Promise<'finished' | 'superseded' | 'behind'> {
      const [verdict] = await run('finish', keysOf(ref.id).common, [
        ref.id,
        ref.attempt,
        ref.fence,
        options.after,
        options.status,
        options.output ?? '',
        options.error ? json(options.error) : '',
        ...usageArgs(options.usage),
        ...flat(options.entries),
      ]);
      return verdict as 'finished' | 'superseded' | 'behind';
    },

    /** Ends a task for the sweep, if it still is as the sweep saw it. */
    async finishOverdue(
      id: string,
      seen: { status: string; attempt: number },
      status: 'expired' | 'cancelled',
    ): Promise<'finished' | 'superseded'> {
      const [verdict] = await run('finish', keysOf(id).common, [
        id,
        seen.attempt,
        `=${seen.status}`,
        '',
        status,
        '',
        '',
        '',
        '',
        '0',
        0,
      ]);
      return verdict as 'finished' | 'superseded';
    },

    async cancel(id: string, owner: string, options: { nonce: string; withdraw?: boolean }): Promise<CancelVerdict> {
      const { p, common } = keysOf(id);
      const [verdict, at] = await run(
        'cancel',
        [...common, keys.input(p, id), keys.owner(p, owner)],
        [id, options.nonce, limits.cancelGraceMs, options.withdraw ? '1' : '0'],
      );
      if (verdict === 'cancelled' || verdict === 'requested') return { verdict, at: Number(at) };
      return { verdict: verdict as 'ended' | 'unknown' | 'withdrawn' };
    },

    async answer(
      id: string,
      options: { approvalId: string; nonce: string; answer: Record<string, unknown>; resumed: Record<string, unknown> },
    ): Promise<'answered' | 'conflict' | 'unknown'> {
      const [verdict] = await run('answer', keysOf(id).common, [
        id,
        options.approvalId,
        options.nonce,
        json(options.answer),
        json(options.resumed),
        limits.firstCheckMs,
      ]);
      return verdict as 'answered' | 'conflict' | 'unknown';
    },
  };
}
