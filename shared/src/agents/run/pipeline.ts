/** The pipeline: one tool after the other, each given the query and what those before it found; the last one answers. */
import type { Tool } from '../tool.ts';
import { type AgentRun, type Answered, isOver, LIMIT, NO_MODEL } from './agent-run.ts';
import { approvedCall } from './calls/approved-call.ts';
import { checkArguments } from './calls/check-call.ts';
import { performAll } from './calls/perform.ts';
import { type Called, type CheckedCall, runCall, tellEnded } from './calls/tool-call.ts';
import { propose } from './proposal.ts';
import { untilFull } from './run-step.ts';

type Place = Pick<CheckedCall, 'key' | 'index' | 'speaks'>;

async function perform(run: AgentRun, tool: Tool, place: Place): Promise<Called> {
  const given = tool.argumentsOf?.(run.query, run.results);
  const checked = given === undefined ? undefined : checkArguments(tool, given);
  if (checked === undefined || 'problem' in checked) {
    const result =
      checked?.problem ?? `Nobody writes the arguments of ${tool.name}: it needs a model that calls tools.`;
    return tellEnded(run, `${place.key}/refused`, { ...place, tool, args: {} }, { result, code: 'invalid_request' });
  }
  const approved = await approvedCall(run, { ...place, tool, args: checked.args });
  return 'refused' in approved ? approved.refused : runCall(run, approved);
}

export async function runPipeline(run: AgentRun, tools: readonly Tool[]): Promise<Answered> {
  await propose(
    run,
    tools.map(({ name }) => name),
  );
  const parallel = run.request.parallel && tools.length > 1;
  const calls = tools.map((tool, index) => {
    const place = { key: `pipeline:${index}`, index: parallel ? index : undefined, speaks: index === tools.length - 1 };
    return () => perform(run, tool, place);
  });
  const called: Called[] = [];
  await untilFull(async () => {
    for (const group of parallel ? [calls] : calls.map((call) => [call])) {
      if (isOver(run)) return;
      const done = await performAll(run, group);
      for (const { by } of done) run.noteStep(by);
      called.push(...done);
    }
  });
  const last = called.length === calls.length ? called.at(-1) : undefined;
  return {
    content: last?.text ?? '',
    finishReason: last && !run.over.aborted ? (last.by?.finishReason ?? 'stop') : LIMIT,
    model: last?.by?.model ?? NO_MODEL,
    provider: last?.by?.provider ?? NO_MODEL,
    steps: called.length,
  };
}
