/**
 * The calls of one model turn, and what the model is told of each. They run in their order, or several at once; two questions
 * to a person come one after the other.
 */
import { isCutShort } from '../../../models/llm.ts';
import type { ChatMessage, ToolCall } from '../../../provider.ts';
import { canonicalJson } from '../../../task-id.ts';
import { fenced } from '../../text/fenced.ts';
import type { Tool } from '../../tool.ts';
import { type AgentRun, isOver } from '../agent-run.ts';
import type { Turn } from '../model-turn.ts';
import { tellOnce } from '../tell-once.ts';
import { approvedCall } from './approved-call.ts';
import { checkArguments, parseArguments } from './check-call.ts';
import { askClient, isOfClient } from './client-calls.ts';
import { performAll } from './perform.ts';
import { type Called, type CheckedCall, runCall } from './tool-call.ts';

/** Calls of one turn that are looked at; what is more is refused. */
const MAX_CALLS = 16;
/** How often the same call is told that it was made before, until the run is ended. */
const MAX_SAME = 3;

/** Calls so far: how often the same was made, and how often a tool was called by one that made no sense. */
type Repeats = { same: Map<string, number>; bad: Map<string, number> };
type Known = { offered: readonly Tool[]; repeats: Repeats };

export const noRepeats = (): Repeats => ({ same: new Map(), bad: new Map() });

/** Whether this may be all there is of a call when its answer was cut: arguments that have only begun, or not even that. */
function isHalf({ function: { arguments: text } }: ToolCall): boolean {
  const parsed = parseArguments(text);
  return 'problem' in parsed || canonicalJson(parsed.given) === '{}';
}

const increased = (counts: Map<string, number>, key: string) => {
  const count = (counts.get(key) ?? 0) + 1;
  counts.set(key, count);
  return count;
};

/** `endless`: the same call again and again, although it was told. `problem`: what the model is told of it. */
type Checked = { call: CheckedCall } | { problem: string; tool: Tool | undefined; given: unknown } | { endless: true };

function check(
  { offered, repeats }: Known,
  { function: { name, arguments: text } }: ToolCall,
  place: Pick<CheckedCall, 'key' | 'index'>,
  isCut: boolean,
): Checked {
  const tool = offered.find((one) => one.name === name);
  const parsed = parseArguments(text);
  const given = 'given' in parsed ? parsed.given : text;
  const refuse = (problem: string) => ({ problem, tool, given });
  const count = increased(repeats.same, `${name}\n${canonicalJson(given)}`);
  if (count > MAX_SAME) return { endless: true };
  if (count === MAX_SAME) return refuse('This call was made twice before: it is not made again. Go on without it.');
  if (isCut) return refuse('There was no room for the whole call: it is not made.');
  if (!tool)
    return refuse(`There is no tool ${name}. There are: ${offered.map((one) => one.name).join(', ') || 'none'}.`);
  if ('problem' in parsed) return refuse(parsed.problem);
  const checked = checkArguments(tool, given);
  return 'problem' in checked
    ? refuse(checked.problem)
    : { call: { ...place, tool, args: checked.args, speaks: false } };
}

const told = (id: string, content: string): ChatMessage => ({ role: 'tool', tool_call_id: id, content });

/** A result as the model is given it: data from outside, fenced. */
function toldResult(id: string, { tool, result, status }: Called): ChatMessage {
  const text = typeof result === 'string' ? result : JSON.stringify(result);
  return told(id, status === 'error' ? `Error: ${text}` : fenced(`tool ${tool}`, text));
}

async function perform(run: AgentRun, call: CheckedCall): Promise<Called> {
  const approved = await approvedCall(run, call);
  return 'refused' in approved ? approved.refused : runCall(run, approved);
}

/** A call that makes no sense goes back to the model; from the second one of a tool on it is a result too. */
async function performBad(
  run: AgentRun,
  { repeats }: Known,
  key: string,
  name: string,
  { problem, given }: Extract<Checked, { problem: string }>,
): Promise<void> {
  if (increased(repeats.bad, name) === 1) return;
  const outcome = { tool: name, arguments: given, result: problem, status: 'error' as const };
  await tellOnce(run, `${key}/bad`, () =>
    run.context.emit('tool_result', { tool: name, result: problem, status: 'error' }),
  );
  run.noteResults([outcome]);
}

/** Answers the calls of a turn. `ended`: the run is to end, because the model repeats itself without end. */
export async function answerCalls(
  run: AgentRun,
  number: number,
  { calls, finishReason }: Pick<Turn, 'calls' | 'finishReason'>,
  known: Known,
): Promise<{ messages: ChatMessage[]; ended: boolean }> {
  const taken = calls.slice(0, MAX_CALLS);
  const cut = isCutShort(finishReason) ? [calls.at(-1)].find((call) => call && isHalf(call)) : undefined;
  const ofClient = taken.filter((call) => call !== cut && isOfClient(run, call));
  const parallel = run.request.parallel && taken.length > 1;
  const answers = new Map<ToolCall, ChatMessage>();
  const runnable: { call: ToolCall; checked: CheckedCall }[] = [];
  let ended = false;
  for (const [index, call] of taken.entries()) {
    if (ofClient.includes(call)) continue;
    const key = `turn:${number}/call:${index}`;
    const came = check(known, call, { key, index: parallel ? index : undefined }, call === cut);
    if ('call' in came) runnable.push({ call, checked: came.call });
    else if ('problem' in came) {
      await performBad(run, known, key, call.function.name, came);
      answers.set(call, told(call.id, `Error: ${came.problem}`));
    } else ended = true;
  }
  const called = await performAll(
    run,
    runnable.map(
      ({ checked }) =>
        () =>
          perform(run, checked),
    ),
  );
  const given =
    ofClient.length > 0 && !ended && !isOver(run) ? await askClient(run, `turn:${number}/client`, ofClient) : [];
  for (const [index, one] of called.entries()) put(runnable[index]?.call, one);
  for (const [index, one] of given.entries()) put(ofClient[index], one);
  const refused = calls
    .slice(MAX_CALLS)
    .map(({ id }) => told(id, `Error: at most ${MAX_CALLS} calls are made in one turn.`));
  return { messages: [...taken.flatMap((call) => answers.get(call) ?? []), ...refused], ended };

  function put(call: ToolCall | undefined, one: Called) {
    if (call) answers.set(call, toldResult(call.id, one));
  }
}
