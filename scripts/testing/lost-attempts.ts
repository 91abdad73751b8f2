/**
 * A runner that is lost right after a write, whichever it is: from then on none of its writes comes to anything, and nothing it
 * waits for comes back. What it does besides goes on, as it may on a machine that was cut off. When it wakes it is told that
 * another attempt holds the task.
 */
import type { Tasks } from '@beanline/shared/record/tasks.ts';

/** What a runner writes with, and the answer to one that does not hold the task any more. */
const WRITES = {
  begin: { verdict: 'ended' },
  append: { verdict: 'superseded' },
  release: { verdict: 'superseded' },
  finish: 'superseded',
  beginStep: { verdict: 'superseded' },
  finishStep: 'superseded',
  takeMessages: { verdict: 'superseded' },
  closeInbox: 'superseded',
} satisfies { [Name in keyof Tasks]?: unknown };
type Write = keyof typeof WRITES;

/** `lost` resolves after so many writes, with the name of the last one. `wake` ends the attempt that is lost. */
export function losingTasks(tasks: Tasks, writes: number) {
  const lost = Promise.withResolvers<string>();
  const woken = Promise.withResolvers<void>();
  let count = 0;
  const counted =
    (name: Write) =>
    async (...args: unknown[]) => {
      if (count < writes) {
        const isLast = ++count === writes;
        const answer = await (tasks[name] as (...given: unknown[]) => Promise<unknown>)(...args);
        if (!isLast) return answer;
        lost.resolve(name);
      }
      await woken.promise;
      return WRITES[name];
    };
  const over = Object.fromEntries(Object.keys(WRITES).map((name) => [name, counted(name as Write)]));
  return { tasks: { ...tasks, ...over } as Tasks, lost: lost.promise, wake: woken.resolve };
}
