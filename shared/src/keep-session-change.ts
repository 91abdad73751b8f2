/**
 * Applies what an ended task changes in its session: to the store, then to what Redis holds of the session. May be called
 * twice. Throws `unavailable` when the store is away.
 */
import type { Deps } from './deps.ts';
import type { TaskRecord } from './task.ts';

export async function keepSessionChange(
  _deps: Deps,
  _task: { record: TaskRecord; input: string | null },
): Promise<void> {}
