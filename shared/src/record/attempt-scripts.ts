/** The scripts of a runner: begin an attempt, write its events, end it with or without its task. */
import type { ErrorView } from '../errors.ts';
import { type EndStatus, RECORD_VERSION } from '../task.ts';
import { INLINE_BYTES } from './create-tasks.ts';
import { type Run, usageArgs } from './scripts.ts';
import type { TaskKeys } from './task-keys.ts';
import type {
  AttemptRef,
  BeginVerdict,
  FinishOptions,
  NewEntry,
  ReleaseOptions,
  ReleaseVerdict,
} from './task-verdicts.ts';

const json = JSON.stringify;
const flat = (entries: NewEntry[]) => [entries.length, ...entries.flatMap(({ id, type, data }) => [id, type, data])];

type BeginOptions = { fence: string; worker: string; typeVersion: number; mayRestart: boolean; lost: ErrorView };

function started(fields: (string | number)[]): BeginVerdict {
  const [input, attempt, lastId, failures, maxAttempts, timeoutMs, requestId, traceparent, owner, marks, ...rest] =
    fields.map(String);
  const keptOutput = rest.pop();
  const [patienceMs, awaySince, waits, keptAttempt, messages, steers] = rest.map((text) =>
    text === '' ? null : Number(text),
  );
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
    marks: JSON.parse(marks || '{}'),
    input: input || null,
    patienceMs: patienceMs ?? null,
    awaySince: awaySince ?? null,
    waits: waits ?? 0,
    keptAttempt: keptAttempt ?? 0,
    messages: messages ?? 0,
    steers: steers ?? 0,
    keptOutput: keptOutput || null,
  };
}

export function createAttemptScripts(run: Run, taskKeys: TaskKeys, limits: { firstCheckMs: number }) {
  return {
    /** Asks for the next attempt of a task, with the versions this runner understands. */
    async begin(id: string, options: BeginOptions): Promise<BeginVerdict> {
      const { common, input } = taskKeys(id);
      const [verdict, ...rest] = await run(
        'begin',
        [...common, input],
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
      if (verdict === 'ended') return { verdict };
      if (verdict === 'newer' || verdict === 'later') return { verdict, until: Number(rest[0]) };
      return started(rest);
    },

    /** Writes events of an attempt. `cancelled` tells that a cancel was asked for, `steers` how many such messages are unread. */
    async append(
      ref: AttemptRef,
      after: string,
      entries: NewEntry[],
    ): Promise<{ verdict: 'appended'; cancelled: boolean; steers: number } | { verdict: 'superseded' | 'behind' }> {
      const args = [ref.id, ref.attempt, ref.fence, after, ...flat(entries)];
      const [verdict, mark, steers] = await run('append', taskKeys(ref.id).common, args);
      return verdict === 'appended'
        ? { verdict, cancelled: mark !== '', steers: Number(steers) }
        : { verdict: verdict as 'superseded' | 'behind' };
    },

    /** Ends the attempt but not the task. */
    async release(ref: AttemptRef, options: ReleaseOptions): Promise<ReleaseVerdict> {
      const { approval } = options;
      const [verdict, until] = await run('release', taskKeys(ref.id).common, [
        ref.id,
        ref.attempt,
        ref.fence,
        options.after,
        approval ? 'input_required' : 'queued',
        options.failure ? 1 : 0,
        options.delayMs,
        approval ? 'human_approval' : options.waits === undefined ? 'retrying' : 'waiting',
        json(options.event),
        ...usageArgs(options.usage),
        options.partial ?? '',
        approval?.id ?? '',
        approval ? json(approval.view) : '',
        approval?.expiresAt ?? 0,
        approval?.onExpiry ?? '',
        limits.firstCheckMs,
        options.waits ?? '',
        ...flat(options.entries),
      ]);
      return verdict === 'released'
        ? { verdict, until: Number(until) }
        : { verdict: verdict as 'ended' | 'superseded' };
    },

    /** Ends the task. */
    async finish(ref: AttemptRef, options: FinishOptions): Promise<'finished' | 'superseded' | 'behind'> {
      const [verdict] = await run('finish', taskKeys(ref.id).common, [
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
      status: Extract<EndStatus, 'expired' | 'cancelled'>,
    ): Promise<'finished' | 'superseded'> {
      const args = [id, seen.attempt, `=${seen.status}`, '', status, '', '', ...usageArgs(undefined), ...flat([])];
      const [verdict] = await run('finish', taskKeys(id).common, args);
      return verdict as 'finished' | 'superseded';
    },
  };
}
