/** One transaction of the writer: works that each take a step in it, and each can fail alone. */
import { type Call, type CallInPieces, now, type Pieces, type Reply } from './nouns.ts';
import type { Sql } from './schema.ts';

type AnyPieces = CallInPieces<unknown> | Pieces;

/** A call, or what was left to do; with `pieces` it has begun. */
export type Work = { line: string; call?: Call; pieces?: AnyPieces; answered: boolean };

export type TransactionDeps = {
  /** The file, opened anew after a failure. */
  open(): { sql: Sql; forget(): void };
  run(call: Call): unknown;
  /** Waits for other writers. */
  patiently<T>(work: () => T): T;
  late(call: Call): Reply;
  failure(call: Call, error: unknown): Reply;
  isAway(error: unknown): boolean;
  /** To be told of what a transaction failed by. */
  giveUp(error: unknown): void;
};

type Step = { work: Work; reply?: Reply | undefined; isDone: boolean };
type Open = ReturnType<TransactionDeps['open']>;

const isPieces = (value: unknown): value is AnyPieces =>
  typeof value === 'object' && value !== null && Symbol.iterator in value && 'next' in value;

/** Runs what `next` gives, as one transaction. Gives the steps that are written; or the works that failed with it, and why. */
export function transact(
  deps: TransactionDeps,
  next: (works: Work[]) => Work | undefined,
): { steps: Step[] } | { failed: Work[]; error: unknown } {
  const works: Work[] = [];
  const steps: Step[] = [];
  try {
    const open = deps.open();
    deps.patiently(() => open.sql.run('BEGIN IMMEDIATE'));
    try {
      for (let work = next(works); work; work = next(works)) {
        works.push(work);
        steps.push(takeStep(deps, work, open));
      }
      open.sql.run('COMMIT');
    } catch (error) {
      rollBack(deps, open);
      throw error;
    }
    return { steps };
  } catch (error) {
    deps.giveUp(error);
    return { failed: works, error };
  }
}

/** A call that fails by its own fault leaves the others of the transaction alone. */
function takeStep(deps: TransactionDeps, work: Work, { sql, forget }: Open): Step {
  const { call } = work;
  if (call && !work.pieces && call.until <= now()) return { work, reply: deps.late(call), isDone: true };
  const answer = (value: unknown): Reply | undefined => (call && !work.answered ? { n: call.n, value } : undefined);
  sql.run('SAVEPOINT one');
  try {
    const made = work.pieces ?? (call && deps.run(call));
    if (!isPieces(made)) return { work, reply: answer(made), isDone: true };
    work.pieces = made;
    const { value, done } = made.next();
    if (done) return { work, reply: answer(value), isDone: true };
    return { work, reply: value && answer(value.answer), isDone: false };
  } catch (error) {
    if (deps.isAway(error)) throw error;
    sql.run('ROLLBACK TO one');
    forget();
    return { work, reply: call && !work.answered ? deps.failure(call, error) : undefined, isDone: true };
  } finally {
    if (sql.inTransaction()) sql.run('RELEASE one');
  }
}

/** A full disk may have ended the transaction already. */
function rollBack(deps: TransactionDeps, { sql, forget }: Open) {
  forget();
  try {
    if (sql.inTransaction()) sql.run('ROLLBACK');
  } catch (error) {
    deps.giveUp(error);
  }
}
