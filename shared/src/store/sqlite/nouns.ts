/** What a thread of the SQLite store can be asked, and how: calls go to it one after another, replies come back. */
import type { MessageStore, SessionStore, TaskStore } from '../../store.ts';
import type { DocumentStore } from '../documents.ts';

/** What is done in pieces, each a transaction. */
export type Pieces = Generator<undefined, void>;
/** The same of a call: gives its result in the end, or yields it when it stands before the last piece. */
export type CallInPieces<Result> = Generator<{ answer: Result } | undefined, Result>;

/** The same seam without promises: SQL in its own thread waits for nothing else. Some calls may be done in pieces. */
export type Sync<Seam, InPieces = never> = {
  [Name in keyof Seam]: Seam[Name] extends (...given: infer Given) => Promise<infer Result>
    ? (...given: Given) => Result | (Name extends InPieces ? CallInPieces<Result> : never)
    : never;
};

export type Nouns = { tasks: TaskStore; sessions: SessionStore; messages: MessageStore; documents: DocumentStore };

/**
 * `until`: by `now()`; a call that begins later is not begun, because nobody waits for it any more. `line`: the owner, or ''
 * when it is of many.
 */
export type Call = {
  n: number;
  noun: keyof Nouns | 'thread';
  method: string;
  given: unknown[];
  until: number;
  line: string;
};
export type Reply =
  | { n: number; value: unknown }
  | { n: number; error: { away: boolean; message: string; detail: string } };
export type ThreadOptions = { file: string; busyMs: number; writes: boolean };

/** Milliseconds of a clock that all threads of a process share and nobody sets. */
export const now = () => Number(process.hrtime.bigint() / 1_000_000n);
