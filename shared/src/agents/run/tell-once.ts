import type { AgentRun } from './agent-run.ts';
import { runStep } from './run-step.ts';

/** Tells readers something once, and again only where they were told to drop it. */
export async function tellOnce(run: AgentRun, key: string, tell: () => Promise<void>): Promise<void> {
  if (run.told.has(key)) return;
  run.told.add(key);
  await runStep(run, key, { effect: 'none', run: tell, show: tell });
}
