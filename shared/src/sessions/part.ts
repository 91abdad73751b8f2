/**
 * Sessions, as a part. A task of a session is admitted only when the session is its owner's; the session knows of it before
 * its model is called; its handler reads the conversation; and what it said comes to the store when it has ended.
 */
import { TaskError } from '../errors.ts';
import type { Catalog } from '../job-type.ts';
import type { Part } from '../part.ts';
import type { ChatMessage } from '../provider.ts';
import { type Spoken, type Summary, turnIdOf } from '../session.ts';
import type { Store } from '../store.ts';
import type { Marks, TaskRecord } from '../task.ts';
import type { SubmitDeps } from '../tasks/submit-task.ts';
import { createSessionContext } from './context.ts';
import type { KeepDeps } from './keep-change.ts';
import { createChangeKeeper } from './keep-changes.ts';
import { SESSION, TURN_OF } from './marks.ts';
import { ownsSession } from './owner.ts';

/**
 * The owner's sessions. Throws `not_found` when there is none of this id, and `unavailable` when the store that knows is away:
 * let it pass, and the task waits for it without spending a failure.
 */
export type SessionContext = {
  /**
   * What the model is shown: the owner's preferences and the summary of the older part as one system message, the recent
   * messages as far as they fit, then the new ones, whole. Without a session the new ones only.
   */
  window(sessionId: string | undefined, messages: ChatMessage[]): Promise<ChatMessage[]>;
  /** The model of calls that name none: the session's, else the owner's; undefined is the default one. */
  model(sessionId: string | undefined): Promise<string | undefined>;
  /** How it began, oldest first. */
  first(sessionId: string): Promise<Spoken[]>;
  /** The summary so far, and the next messages, oldest first, that it does not cover and that `window` does not show. */
  older(sessionId: string, after?: string): Promise<{ summary: Summary | null; messages: Spoken[] }>;
};

declare module '../context.ts' {
  interface Context {
    session: SessionContext;
  }
}

/** The turn that a retry asks again: that of the first task of a chain of retries that began. */
function askedTurn({ id, marks, startedAt, endedAt }: TaskRecord): Marks {
  const turn = marks[TURN_OF] ?? (startedAt === null || endedAt === null ? undefined : turnIdOf({ id, endedAt }));
  return turn === undefined ? {} : { [TURN_OF]: turn };
}

export function sessionsPart(deps: KeepDeps & SubmitDeps & { store: Store; catalog: Catalog }): Part {
  const keepChanges = createChangeKeeper(deps);
  return {
    name: 'sessions',

    async admit({ owner, type, input, inputPath }, retryOf) {
      const id = type.sessionOf?.(input);
      if (id === undefined) return {};
      if (!(await ownsSession(deps, owner, id))) {
        const path = [...inputPath, 'session_id'].join('.');
        throw new TaskError('not_found', `There is no session of yours that ${path} names.`, {
          fields: [{ path, message: 'is not the id of a session' }],
        });
      }
      return { [SESSION]: id, ...(retryOf ? askedTurn(retryOf) : {}) };
    },

    // Before it can say anything, so that whoever comes after its end finds what it said.
    async begin({ id, marks }) {
      const sessionId = marks[SESSION];
      if (sessionId !== undefined) await deps.turns.begin(sessionId, id);
    },

    context: ({ owner, marks }) => ({
      session: createSessionContext(deps, { owner, turnOf: marks[TURN_OF] ?? null }),
    }),

    ended: keepChanges,
  };
}
