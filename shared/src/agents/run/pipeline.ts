/** The pipeline: one tool after the other, each given the query and what those before it found; the last one answers. */
import type { Tool } from '../tool.ts';
import { type AgentRun, type Answered, isOver, LIMIT, NO_MODEL } from './agent-run.ts';
import { approvedCall } from './calls/approved-call.ts';
import { checkArguments } from './calls/check-call.ts';
import { performAll } from './calls/perform.ts';
import { type Called, type CheckedCall, runCall, tellEnded } from './calls/tool-call.ts';
import { hear } from './hear.ts';
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
  const called: Called[] = [];
  let content = '';
  let isWhole = false;
  await untilFull(async () => {
    for (const group of groupsOf(tools, parallel)) if (!(await answer(group))) return;
    // A message that came meanwhile is answered by the last tool, once more.
    const again = tools.slice(-1);
    while (!(await run.context.closeInbox())) if (!(await answer(again))) return;
    isWhole = true;
  });
  const by = called.at(-1)?.by;
  return {
    content,
    finishReason: isWhole && !run.over.aborted ? (by?.finishReason ?? 'stop') : LIMIT,
    model: by?.model ?? NO_MODEL,
    provider: by?.provider ?? NO_MODEL,
    steps: called.length,
  };

  /** False when the run is over before it. */
  async function answer(group: readonly Tool[]): Promise<boolean> {
    if (isOver(run)) return false;
    const first = called.length;
    await hear(run, `pipeline:${first}`);
    const calls = group.map((tool, at) => {
      const index = first + at;
      const place = {
        key: `pipeline:${index}`,
        index: parallel ? index : undefined,
        speaks: index >= tools.length - 1,
      };
      return () => perform(run, tool, place);
    });
    const done = await performAll(run, calls);
    for (const { by: model } of done) run.noteStep(model);
    called.push(...done);
    const last = done.at(-1);
    if (called.length >= tools.length && last) content += last.text;
    return true;
  }
}

/** What is done at once: each tool by itself, or all. */
const groupsOf = (tools: readonly Tool[], parallel: boolean) => (parallel ? [tools] : tools.map((tool) => [tool]));
