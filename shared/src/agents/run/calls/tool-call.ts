/**
 * One call of a tool: whether it may run, by whom it is approved, and what came of it. It runs in a step, so that its effect
 * comes about once, and readers who were told to drop its events are shown them again.
 */
import { ApprovalPending, type Llm, type StepRun, StepUnknown } from '../../../context.ts';
import { type ErrorCode, TaskError } from '../../../errors.ts';
import { optionsOf } from '../../registry/options.ts';
import { toolContext } from '../../registry/services.ts';
import type { Tool, ToolContext, ToolOutcome } from '../../tool.ts';
import { type AgentRun, tokensOf } from '../agent-run.ts';
import { runStep } from '../run-step.ts';
import { shownResult, textOfResult } from '../text-of.ts';
import { untilAborted } from './until-aborted.ts';

/** A call that may run: of this tool, with these arguments, which its schema has taken. */
export type CheckedCall = {
  /** Its place in the run, the same in every attempt. */
  key: string;
  /** Which of several at once. */
  index: number | undefined;
  tool: Tool;
  args: Record<string, unknown>;
  /** Whether its text is the answer of the run, and not that of a tool. */
  speaks: boolean;
};

/**
 * What a call has come to. `text`: what it has written while it ran; `tokens`: what it used; `code`: of an error, its kind; `by`: the
 * model it has called.
 */
export type Called = ToolOutcome & {
  text: string;
  tokens: number;
  code?: ErrorCode;
  by?: { model: string; provider: string; finishReason: string };
};

/** Errors by which a model server is only busy: the attempt is tried again, or waits, as that of any other task. */
const comesBack = ({ code, away }: TaskError) => away || code === 'provider_busy' || code === 'unavailable';

const place = ({ index }: CheckedCall) => (index === undefined ? {} : { index });

/** An error as the model and the client are told it: of an unknown one nothing. */
const shownError = (error: unknown) =>
  error instanceof TaskError
    ? { result: error.message, code: error.code }
    : { result: 'The tool failed: something went wrong.', code: 'internal' as const };

async function tellEnd(run: AgentRun, call: CheckedCall, { tool, result, status, code }: Called): Promise<void> {
  const { emit } = run.context;
  if (code !== undefined) await emit('error', { code, message: textOfResult(result), tool });
  await emit('tool_result', { tool, result, status, ...place(call) });
}

async function tellStart(run: AgentRun, call: CheckedCall): Promise<void> {
  const { tool, args } = call;
  const { name, description, streams } = tool;
  await run.context.emit('tool_start', {
    tool: name,
    description,
    arguments: args,
    is_streaming: streams,
    ...place(call),
  });
}

/** What readers see of a tool's text. */
async function tellText(run: AgentRun, { tool: { name }, index, speaks }: CheckedCall, text: string): Promise<void> {
  if (speaks) return run.context.emit.text(text);
  return run.context.emit.text(text, { tool: name, ...(index === undefined ? {} : { index }) });
}

async function tellTextEnd({ context: { emit } }: AgentRun, call: CheckedCall, text: string): Promise<void> {
  if (text !== '')
    await emit('text_done', { total_length: text.length, ...(call.speaks ? {} : { tool: call.tool.name }) });
}

/** What the tool is given of the run. `said`: where its text goes. */
function contextOf(
  run: AgentRun,
  call: CheckedCall,
  given: StepRun,
  said: (content: string) => Promise<void>,
): ToolContext {
  const { context, request, query, results, heard, over } = run;
  const { key, tool } = call;
  const { messages, model, settings } = request;
  const signal = AbortSignal.any([given.signal, over]);
  const llm: Llm = { ...given.llm, chat: (asked) => given.llm.chat({ signal, ...asked }) };
  return toolContext(
    context,
    { ...given, signal, llm },
    {
      ...{ key, query, results: [...results], model, settings, text: said },
      messages: [...messages, ...heard.map((content) => ({ role: 'user' as const, content }))],
      async progress(step, message, done) {
        const how = done === undefined ? {} : { progress: Math.min(Math.max(done, 0), 1) };
        await context.emit('tool_progress', { tool: tool.name, step, message, ...how, ...place(call) });
      },
    },
  );
}

/** What a tool's error comes to. Throws it when the attempt is to be tried again, or to wait. */
function failure(run: AgentRun, { tool }: CheckedCall, error: unknown): Pick<Called, 'result' | 'code'> {
  if (run.over.aborted) {
    const known = tool.effect === 'none' ? '' : ' It is not known whether it was done.';
    return { result: `There was no time left for this.${known}`, code: 'timed_out' };
  }
  // One that has its effect once may have had it: what is not known is not tried again.
  if (tool.effect !== 'once' && error instanceof TaskError && comesBack(error)) throw error;
  if (!(error instanceof TaskError)) run.context.log.warn({ error, tool: tool.name }, 'a tool failed');
  return shownError(error);
}

/** Runs the tool. What it throws is its result, unless the attempt is over or only a model server is busy. */
async function execute(run: AgentRun, call: CheckedCall, given: StepRun): Promise<Called> {
  const { tool, args, speaks } = call;
  let text = '';
  let isOver = false;
  const said = async (content: string) => {
    // What it says after its end nobody waits for.
    if (isOver) return;
    text += content;
    await tellText(run, call, content);
  };
  await tellStart(run, call);
  let came: Pick<Called, 'result' | 'status' | 'code'>;
  try {
    const context = contextOf(run, call, given, said);
    const options = optionsOf(tool, run.request.toolOptions);
    const result = tool.output.parse(await untilAborted(run.over, () => tool.run(args, context, options)));
    // The answer is text, whatever the tool gave.
    if (speaks && text === '') await said(textOfResult(result));
    came = { result: shownResult(result), status: 'completed' };
  } catch (error) {
    given.signal.throwIfAborted();
    if (error instanceof ApprovalPending) throw error;
    came = { ...failure(run, call, error), status: 'error' };
  }
  isOver = true;
  const { usage, model, provider, finish_reason: finishReason } = given.llm.outcome();
  const by = model === '' ? {} : { by: { model, provider, finishReason } };
  const called = { tool: tool.name, arguments: args, ...came, text, tokens: tokensOf(usage), ...by };
  await tellTextEnd(run, call, text);
  await tellEnd(run, call, called);
  return called;
}

/** What an interrupted call has come to, as far as its tool can tell. */
async function reconcile(run: AgentRun, call: CheckedCall, given: StepRun): Promise<{ result: Called } | null> {
  const { tool, args } = call;
  const found = await tool.reconcile?.(
    args,
    contextOf(run, call, given, async () => undefined),
  );
  if (!found) return null;
  const called = ended(call, shownResult(found.result), 'completed');
  await tellStart(run, call);
  await tellEnd(run, call, called);
  return { result: called };
}

const ended = ({ tool, args }: CheckedCall, result: unknown, status: Called['status']): Called => ({
  tool: tool.name,
  arguments: args,
  result,
  status,
  text: '',
  tokens: 0,
});

/** Runs a call that is approved, unless an earlier attempt has, and shows what came of it. */
export async function runCall(run: AgentRun, call: CheckedCall): Promise<Called> {
  const { key, tool } = call;
  try {
    const called = await runStep<Called>(run, key, {
      effect: tool.effect,
      run: (given) => execute(run, call, given),
      reconcile: (given) => reconcile(run, call, given),
      async show(done) {
        await tellStart(run, call);
        await tellText(run, call, done.text);
        await tellTextEnd(run, call, done.text);
        await tellEnd(run, call, done);
      },
    });
    run.tokens += called.tokens;
    return called;
  } catch (error) {
    if (!(error instanceof StepUnknown)) throw error;
    const unknown = 'It is not known whether this was done: it was interrupted. It is not done again.';
    return tellEnded(run, `${key}/unknown`, call, { result: unknown, code: 'effect_unknown' });
  }
}

/** Shows that a call has failed without having run. With a code it is told as an error too. */
export async function tellEnded(
  run: AgentRun,
  key: string,
  call: CheckedCall,
  came: { result: string; code?: ErrorCode },
): Promise<Called> {
  const called = { ...ended(call, came.result, 'error'), ...came };
  const tell = () => tellEnd(run, call, called);
  await runStep(run, key, { effect: 'none', run: tell, show: tell });
  return called;
}
