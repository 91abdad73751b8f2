/**
 * Submits a task: puts the input down, creates the record (the commit point), then adds the job. What fails after the
 * commit point is repaired by the sweep; what is unknown before it is withdrawn, so that a request answered 503 never runs.
 */
import { randomUUID } from 'node:crypto';
import { TaskError } from '../errors.ts';
import type { JobType } from '../job-type.ts';
import type { Log } from '../log.ts';
import type { Admission, Part, PartOptions } from '../part.ts';
import type { TaskQueue } from '../queue/queue.ts';
import type { Tasks } from '../record/tasks.ts';
import type { Clock } from '../redis/clock.ts';
import { fromStore } from '../store/answer.ts';
import type { Store } from '../store.ts';
import type { Marks, TaskOptions, TaskRecord } from '../task.ts';
import { canonicalJson, makeTaskId, partitionOfKey, sha256 } from '../task-id.ts';

export type SubmitDeps = {
  tasks: Tasks;
  clock: Clock;
  queue: TaskQueue;
  parts: readonly Part[];
  store: Pick<Store, 'tasks'>;
  partitions: number;
  log: Log;
};

export type SubmitRequest = {
  owner: string;
  /** Whether there may be other owners to be fair to. */
  spread: boolean;
  type: JobType;
  /** The parsed input, as JSON text and as a value. */
  input: string;
  value: unknown;
  /** Where it stands in the request's body. */
  inputPath: string[];
  options: TaskOptions & { runAt: number; delayMs: number; startBy: number | undefined };
  /** What parts take of the options. */
  partOptions?: PartOptions;
  /** The options as the client gave them, for the fingerprint: our defaults may change between a request and its replay. */
  given: unknown;
  idempotencyKey: string | undefined;
  requestId: string;
  traceparent: string | undefined;
  retryOf?: TaskRecord | undefined;
};

export type Submitted =
  | { id: string; replayed: false; createdAt: number; dueAt: number }
  /** An earlier request with the same Idempotency-Key made this task. */
  | { id: string; replayed: true };

/** How much longer than a silent Redis is waited for a create may take to reach it, for each MB of input. */
const CREATE_MS_PER_MB = 100;
const WITHDRAW_RETRY_MS = 250;
/** Of all marks of a task: lists and runners read them with the record. */
const MAX_MARKS_BYTES = 16_384;

/** Throws `queue_full`, `idempotency_conflict`, `unavailable` or what a part refuses it by; then nothing was accepted. */
export const submitTask = (deps: SubmitDeps, request: SubmitRequest): Promise<Submitted> =>
  submit(deps, request, { isNew: false });

/** `isNew`: the store has no task of its Idempotency-Key. */
async function submit(deps: SubmitDeps, request: SubmitRequest, { isNew }: { isNew: boolean }): Promise<Submitted> {
  const { tasks, clock, queue, log } = deps;
  const { owner, type, options, idempotencyKey } = request;
  if (clock.full()) {
    throw new TaskError('unavailable', 'Redis is nearly full. Nothing was accepted.', { retryAfterMs: 5_000 });
  }
  const keyHash = idempotencyKey === undefined ? undefined : sha256(`${owner}\n${idempotencyKey}`);
  const partition = keyHash === undefined ? clock.pickPartition() : partitionOfKey(keyHash, deps.partitions);
  const id = makeTaskId(clock.now(partition), partition);
  const { marks, tell } = await admit(deps, request, id, isNew ? undefined : keyHash);
  const windowMs = clock.timeoutMs + (CREATE_MS_PER_MB * request.input.length) / 1_000_000;
  let sent = false;
  let refused = false;
  const created = await clock
    .guard(
      () => {
        sent = true;
        return tasks.create({
          id,
          owner,
          type: type.name,
          typeVersion: type.version,
          input: request.input,
          headStartMs: options.priority * 1_000,
          runAt: options.runAt,
          delayMs: options.delayMs,
          startBy: options.startBy,
          timeoutMs: options.timeoutMs,
          maxAttempts: options.maxAttempts,
          patienceMs: options.patienceMs,
          priority: options.priority,
          spread: request.spread,
          metadata: options.metadata,
          requestId: request.requestId,
          traceparent: request.traceparent,
          retryOf: request.retryOf?.id,
          marks,
          idempotency: keyHash === undefined ? undefined : { hash: keyHash, fingerprint: fingerprint(request), isNew },
          notAfter: clock.now(partition) + windowMs,
          wanted: () => !refused,
        });
      },
      { task: id },
    )
    .catch((error: unknown) => {
      refused = true;
      // The task may exist. A retry with the key attaches to it; without a key nobody would ever know of it.
      if (sent && keyHash === undefined) void withdraw(deps, { id, partition, owner, windowMs });
      throw error;
    });

  await tell(created.verdict === 'created');
  switch (created.verdict) {
    case 'created': {
      const isUnmarked = Object.keys(marks).length === 0;
      const entry = { id, type: type.name, rank: created.rank, delayMs: created.dueAt - created.createdAt, isUnmarked };
      await clock
        .guard(() => queue.add([entry]), queue.needs(type.name))
        .catch((error: unknown) => {
          log.warn({ error, task_id: id }, 'the job was not added; the sweep will add it');
        });
      return { id, replayed: false, createdAt: created.createdAt, dueAt: created.dueAt };
    }
    case 'replay':
      return { id: created.id, replayed: true };
    case 'archived':
      return attachToArchived(deps, request, keyHash ?? '');
    case 'conflict':
      throw keyConflict();
    case 'full':
      throw new TaskError('queue_full', `The queue ${type.name} is full (${created.what}). Nothing was accepted.`, {
        retryAfterMs: 5_000,
      });
    default:
      throw new TaskError('unavailable', 'Redis answered too late. Nothing was accepted.', { retryAfterMs: 1_000 });
  }
}

const keyConflict = () =>
  new TaskError('idempotency_conflict', 'This Idempotency-Key was used for a request that differs from this one.');

/** The key has made a task that only the store has, or had: one that was purged holds it no more. Store away: `unavailable`. */
async function attachToArchived(deps: SubmitDeps, request: SubmitRequest, keyHash: string): Promise<Submitted> {
  const found = await fromStore(deps.store.tasks.findByKey(request.owner, keyHash));
  if (!found) return submit(deps, request, { isNew: true });
  if (found.fingerprint !== fingerprint(request)) throw keyConflict();
  return { id: found.id, replayed: true };
}

/**
 * Asks the parts, which mark the task. An Idempotency-Key that has made a task already asks for no other one: it is answered
 * as before, whatever a part says now.
 */
async function admit(
  { parts, clock, tasks, log }: SubmitDeps,
  { owner, type, value, inputPath, options, partOptions = {}, retryOf }: SubmitRequest,
  id: string,
  keyHash: string | undefined,
): Promise<{ marks: Marks; tell: (created: boolean) => Promise<void> }> {
  const isScheduled = options.delayMs > 0 || options.runAt > clock.now();
  const request: Admission = { id, owner, type, input: value, inputPath, options: partOptions, isScheduled };
  // Without a prototype, so that a mark may have any name.
  const marks: Record<string, string> = Object.create(null);
  const admitted: Part[] = [];
  /** Tells them what became of it. It is done: none of them can change that any more. */
  const tell = async (created: boolean) => {
    for (const part of admitted) {
      await part.submitted?.(request, marks, created).catch((error: unknown) => {
        log.warn({ error, part: part.name, task_id: id }, 'a part could not be told what became of a submit');
      });
    }
  };
  try {
    for (const part of parts) {
      if (!part.admit) continue;
      Object.assign(marks, await part.admit(request, retryOf));
      admitted.push(part);
    }
    const bytes = Object.entries(marks)
      .flat()
      .reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    if (bytes > MAX_MARKS_BYTES) throw new Error(`The parts give a task marks of ${bytes} bytes.`);
    return { marks, tell };
  } catch (error) {
    await tell(false);
    if (keyHash === undefined || !(await clock.guard(() => tasks.hasIdempotencyKey(keyHash)))) throw error;
    return { marks: {}, tell: async () => undefined };
  }
}

function fingerprint({ type, input, given, retryOf }: SubmitRequest): string {
  return sha256(canonicalJson({ type: type.name, input: JSON.parse(input), options: given, retryOf: retryOf?.id }));
}

/**
 * Takes a task back whose create may or may not have happened: at once, behind it on the same connection, and again
 * until Redis has taken it after the time from which create refuses.
 */
async function withdraw(
  deps: SubmitDeps,
  { id, partition, owner, windowMs }: { id: string; partition: number; owner: string; windowMs: number },
): Promise<void> {
  const { tasks, clock, log } = deps;
  const nonce = randomUUID();
  const startedAt = performance.now();
  const take = () => tasks.cancel(id, owner, { nonce, withdraw: true });
  take().catch(() => undefined);
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, WITHDRAW_RETRY_MS));
    if (clock.stopped()) return log.warn({ task_id: id }, 'stopped before a refused submit could be withdrawn');
    const late = performance.now() - startedAt > windowMs;
    if (!late || !clock.available(partition)) continue;
    try {
      await take();
      return;
    } catch {
      // Away again.
    }
  }
}
