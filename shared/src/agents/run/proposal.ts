/** The proposal: what the run is about to do, told once, before the first tool. */
import type { AgentRun } from './agent-run.ts';
import { tellOnce } from './tell-once.ts';

/** Tools that a proposal names, and that a pipeline has. */
export const MAX_PIPELINE = 6;

export async function propose(run: AgentRun, tools: readonly string[]): Promise<void> {
  const pipeline = tools.slice(0, MAX_PIPELINE);
  const count = pipeline.length;
  const steps = `${count} ${count === 1 ? 'step' : 'steps'}`;
  const reason = `Suggested pipeline with ${steps}: ${pipeline.join(' → ')}.`;
  await tellOnce(run, 'proposal', () => run.context.emit('proposal', { nodes: count, pipeline, reason }));
}
