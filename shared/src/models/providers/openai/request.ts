/**
 * What servers that speak like OpenAI are sent. What one of their models does not take is left out, or sent under another
 * name, from its first refusal on.
 */
import type { ChatCall, ChatMessage } from '../../../provider.ts';
import { type Refused, withoutNote } from '../refused.ts';

/** Parameters that a model may refuse, by their names in a request, and those without which another says nothing. */
const SETTINGS = [
  'temperature',
  'max_tokens',
  'top_p',
  'frequency_penalty',
  'presence_penalty',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'response_format',
  'stop',
  'seed',
  'reasoning_effort',
] as const;
type Setting = (typeof SETTINGS)[number];
const OF_TOOLS: readonly string[] = ['tool_choice', 'parallel_tool_calls'];
const STREAM_OPTIONS = 'stream_options';
const NEW_NAME = 'max_completion_tokens';

/** What is not missed when it is left out. */
const DEFAULTS: Partial<Record<Setting, unknown>> = {
  temperature: 1,
  top_p: 1,
  frequency_penalty: 0,
  presence_penalty: 0,
  tool_choice: 'auto',
  parallel_tool_calls: true,
};

/** By which Gemini lets calls pass that come without what it thought when it made them. */
const UNSIGNED = { google: { thought_signature: 'skip_thought_signature_validator' } };

/** A call without words has none at all: that is how servers give it themselves. */
function messageOf({ role, content, reasoning, tool_calls, tool_call_id }: ChatMessage, refused: Refused) {
  const calls = refused.has('+thought_signature')
    ? tool_calls?.map((call) => ({ ...call, extra_content: UNSIGNED }))
    : tool_calls;
  return {
    role,
    content: calls && content === '' ? null : content,
    ...(calls ? { tool_calls: calls } : {}),
    ...(role === 'assistant' && refused.has('+reasoning_content') ? { reasoning_content: reasoning ?? '' } : {}),
    ...(tool_call_id === undefined ? {} : { tool_call_id }),
  };
}

/** What form an answer is to have, in words: for models that take no form, and for OpenAI, which wants JSON to be spoken of. */
function formInWords({ response_format: form, messages }: ChatCall, isRefused: boolean): string | undefined {
  if (!form || form.type === 'text') return undefined;
  if (form.type === 'json_schema')
    return isRefused
      ? `Answer with nothing but JSON that this schema describes: ${JSON.stringify(form.json_schema.schema)}`
      : undefined;
  return isRefused || !/json/i.test(JSON.stringify(messages)) ? 'Answer with nothing but a JSON object.' : undefined;
}

/** With further instructions. */
function instructed(messages: readonly ChatMessage[], more: string | undefined): readonly ChatMessage[] {
  if (more === undefined) return messages;
  const [first] = messages;
  if (first?.role !== 'system') return [{ role: 'system', content: more }, ...messages];
  const content =
    typeof first.content === 'string'
      ? `${first.content}\n\n${more}`
      : [...first.content, { type: 'text' as const, text: more }];
  return [{ ...first, content }, ...messages.slice(1)];
}

/** What a call sets, apart from what says nothing. */
function given(call: ChatCall): Setting[] {
  const hasTools = call.tools !== undefined && call.tools.length > 0;
  return SETTINGS.filter((name) => {
    if (name === 'tools') return hasTools;
    if (OF_TOOLS.includes(name)) return hasTools && call[name] !== undefined;
    if (name === 'response_format') return call[name] !== undefined && call[name].type !== 'text';
    return call[name] !== undefined;
  });
}

/** The parameters of a call as a model takes them. `note` tells which are left out; JSON leaves out those without a value. */
export function requestOf(call: ChatCall, refused: Refused) {
  const nameOf = (name: Setting) => (name === 'max_tokens' && refused.has('max_tokens') ? NEW_NAME : name);
  // Without the word that it may call none, a model is sent none.
  const hasNoTools = refused.has('tools') || (call.tool_choice === 'none' && refused.has('tool_choice'));
  const isRefused = (name: Setting) =>
    refused.has(nameOf(name)) || (hasNoTools && (name === 'tools' || OF_TOOLS.includes(name)));
  const set = given(call);
  const sent = set.filter((name) => !isRefused(name));
  const extra = Object.entries(call.extra ?? {});
  const sentExtra = extra.filter(([name]) => !refused.has(name));
  const lost = [
    ...(call.tool_choice === 'none' ? set.filter((name) => name !== 'tools' && !OF_TOOLS.includes(name)) : set).filter(
      (name) => isRefused(name) && call[name] !== DEFAULTS[name] && name !== 'response_format',
    ),
    ...extra.flatMap(([name]) => (refused.has(name) ? [name] : [])),
  ];
  const body = {
    ...Object.fromEntries(sentExtra),
    model: call.model,
    messages: instructed(call.messages, formInWords(call, refused.has('response_format'))).map((message) =>
      messageOf(message, refused),
    ),
    ...Object.fromEntries(sent.map((name) => [nameOf(name), call[name]])),
    stream: true,
    ...(refused.has(STREAM_OPTIONS) ? {} : { [STREAM_OPTIONS]: { include_usage: true } }),
  };
  const names = [
    ...sent.map(nameOf),
    ...sentExtra.map(([name]) => name),
    ...(refused.has(STREAM_OPTIONS) ? [] : [STREAM_OPTIONS]),
  ];
  return { body, names, note: withoutNote(lost) };
}
