import type { AgentRun } from './agent-run.ts';

/** Tells readers something once, and again only where they were told to drop it. */
export async function tellOnce({ context, told }: AgentRun, key: string, tell: () => Promise<void>): Promise<void> {
  if (told.has(key)) return;
  told.add(key);
  await context.step(key, { effect: 'none', run: tell, show: tell });
}
