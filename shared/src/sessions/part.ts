/**
 * Sessions, as a part. A task of a session is admitted only when the session is its owner's; the session knows of it before
 * its model is called; its handler reads the conversation; and what it said comes to the store when it has ended.
 */
import type { z } from 'zod';
import { TaskError } from '../errors.ts';
import type { Catalog } from '../job-type.ts';
import type { OwnerLines } from '../owners/lines.ts';
import type { Part } from '../part.ts';
import { type EndedTask, type SessionChange, turnIdOf } from '../session.ts';
import type { Store } from '../store.ts';
import type { Marks, TaskRecord } from '../task.ts';
import type { SubmitDeps } from '../tasks/submit-task.ts';
import { SESSION, TURN_OF } from './marks.ts';
import { ownsSession } from './owner.ts';
import type { KeepDeps } from './turn/keep-change.ts';
import { createChangeKeeper } from './turn/keep-changes.ts';
import { createSessionContext, type SessionContext } from './window/context.ts';

declare module '../context.ts' {
  interface Context {
    session: SessionContext;
  }
}

declare module '../job-type.ts' {
  interface JobType<Input extends z.ZodType, Output extends z.ZodType> {
    /** The session a task belongs to. */
    sessionOf?(input: z.output<Input>): string | undefined;
    /**
     * What an ended task changes in its session. Pure: the relay applies it to the store, and whoever reads the session before
     * that derives it as well.
     */
    change?(input: z.output<Input>, task: EndedTask<z.output<Output>>): SessionChange | null;
  }
}

/** The turn that a retry asks again: that of the first task of a chain of retries that began. */
function askedTurn({ id, marks, startedAt, endedAt }: TaskRecord): Marks {
  const turn = marks[TURN_OF] ?? (startedAt === null || endedAt === null ? undefined : turnIdOf({ id, endedAt }));
  return turn === undefined ? {} : { [TURN_OF]: turn };
}

type SessionDeps = KeepDeps & SubmitDeps & { store: Store; catalog: Catalog; searchLines: OwnerLines };

export function sessionsPart(deps: SessionDeps): Part {
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

    context: ({ id, owner, marks }) => ({
      session: createSessionContext(deps, { owner, task: id, turnOf: marks[TURN_OF] ?? null }),
    }),

    ended: keepChanges,
  };
}
