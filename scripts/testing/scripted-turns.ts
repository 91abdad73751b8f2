/** A model whose turns are a script: which one it is at shows in the conversation it is sent, so that a run may be killed anywhere. */
import type { UpstreamCall } from './upstream.ts';

/** One turn: what is said, and the calls that are made. `arguments` is text where a test wants what is no JSON. */
export type ScriptedTurn = {
  text?: string;
  reasoning?: string;
  calls?: { name: string; arguments: unknown; id?: string }[];
};

export const USAGE = { prompt_tokens: 20, completion_tokens: 10 };

/** Which turn a call asks for, from 0. */
export const turnOf = ({ body }: UpstreamCall) => body.messages.filter(({ role }) => role === 'assistant').length;

/** Answers with the turn that comes next; the last one again when there are no more. */
export const scriptedTurns = (turns: ScriptedTurn[]) => (call: UpstreamCall) => {
  const number = Math.min(turnOf(call), turns.length - 1);
  const { text, reasoning, calls = [] } = turns[number] ?? {};
  const send = (delta: Record<string, unknown>) =>
    call.data({
      id: 'c',
      object: 'chat.completion.chunk',
      created: 1,
      model: call.body.model,
      choices: [{ index: 0, delta, finish_reason: null }],
    });
  if (reasoning) send({ reasoning_content: reasoning });
  if (text) for (const word of text.split(/(?<= )/)) call.text(word);
  for (const [index, { name, arguments: given, id = `call_${number}_${index}` }] of calls.entries()) {
    const json = typeof given === 'string' ? given : JSON.stringify(given);
    send({ tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] });
    for (const piece of json.match(/.{1,7}/gs) ?? []) send({ tool_calls: [{ index, function: { arguments: piece } }] });
  }
  call.finish({ reason: calls.length > 0 ? 'tool_calls' : 'stop', usage: USAGE });
};
