/** What archived tasks change in their sessions: a few at a time, since each reads a window, and those of one session in their order. */

import { atMost } from '../../outbox/at-most.ts';
import { inStore, StoreAway } from '../../outbox/store-outage.ts';
import type { Failure } from '../../part.ts';
import type { ArchivedTask, Store } from '../../store.ts';
import type { SubmitDeps } from '../../tasks/submit-task.ts';
import { SESSION } from '../marks.ts';
import { submitFollowUps } from './follow-ups.ts';
import { type KeepDeps, keepSessionChange } from './keep-change.ts';

const AT_ONCE = 4;

/** Gives those that failed. Throws StoreAway when the store is away, and only then: what Redis lacks is a failure like another. */
export function createChangeKeeper(deps: KeepDeps & SubmitDeps) {
  const { clock } = deps;
  const marked = { ...deps, store: sayingAway(deps.store) };
  const inTurn = atMost(AT_ONCE);

  async function keep({ record, input }: ArchivedTask, replaces: boolean): Promise<Failure[]> {
    try {
      await submitFollowUps(deps, await clock.guard(() => keepSessionChange(marked, { record, input, replaces })));
      return [];
    } catch (error) {
      if (error instanceof StoreAway) throw error;
      return [{ id: record.id, what: 'what a task changes in its session could not be kept', error }];
    }
  }

  async function keepAll(tasks: ArchivedTask[], replacing: ReadonlySet<string>): Promise<Failure[]> {
    const failures: Failure[] = [];
    for (const task of tasks) failures.push(...(await keep(task, replacing.has(task.record.id))));
    return failures;
  }

  return async (tasks: ArchivedTask[], replacing: ReadonlySet<string>): Promise<Failure[]> => {
    const sessions = Map.groupBy(tasks, ({ record }) => record.marks[SESSION] ?? '');
    const kept = await Promise.allSettled(sessions.values().map((some) => inTurn(() => keepAll(some, replacing))));
    const failures: Failure[] = [];
    for (const one of kept) {
      if (one.status === 'rejected') throw one.reason;
      failures.push(...one.value);
    }
    return failures;
  };
}

/** The store, whose calls say by StoreAway that it, and not Redis, is away. */
function sayingAway(store: Store): Store {
  const calls = <Noun extends object>(noun: Noun): Noun =>
    Object.fromEntries(
      Object.entries(noun).map(([name, call]) => [name, (...given: unknown[]) => inStore(() => call(...given))]),
    ) as Noun;
  return { ...store, sessions: calls(store.sessions), messages: calls(store.messages) };
}
