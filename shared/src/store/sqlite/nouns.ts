/** What a thread of the SQLite store can be asked, and how: calls go to it one after another, replies come back. */
import type { MessageStore, SessionStore, TaskStore } from '../../store.ts';
import type { DocumentStore } from '../documents.ts';

/** The same seam without promises: SQL in its own thread waits for nothing else. */
export type Sync<Seam> = {
  [Name in keyof Seam]: Seam[Name] extends (...given: infer Given) => Promise<infer Result>
    ? (...given: Given) => Result
    : never;
};

export type Nouns = { tasks: TaskStore; sessions: SessionStore; messages: MessageStore; documents: DocumentStore };

/** `until`: by `now()`; a call that begins later is not begun, because nobody waits for it any more. */
export type Call = { n: number; noun: keyof Nouns | 'thread'; method: string; given: unknown[]; until: number };
export type Reply =
  | { n: number; value: unknown }
  | { n: number; error: { away: boolean; message: string; detail: string } };
export type ThreadOptions = { file: string; busyMs: number; writes: boolean };

/** Milliseconds of a clock that all threads of a process share and nobody sets. */
export const now = () => Number(process.hrtime.bigint() / 1_000_000n);
