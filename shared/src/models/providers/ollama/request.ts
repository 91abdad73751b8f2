/** What Ollama is sent. */
import type { ChatRequest, Message } from 'ollama/browser';
import type { ChatCall, ChatMessage, ChatTool, ToolCall } from '../../../provider.ts';
import { ProviderRefusal } from '../answer-error.ts';
import { parseObject } from '../json.ts';
import { type Refused, withoutNote } from '../refused.ts';

/** Texts, and images apart, as base64. Links are refused: nobody fetches them. */
function contentOf(name: string, content: ChatMessage['content']) {
  if (typeof content === 'string') return { content };
  const texts = content.flatMap((part) => (part.type === 'text' ? [part.text] : []));
  const images = content.flatMap((part) => {
    if (part.type === 'text') return [];
    const { url } = part.image_url;
    if (url.startsWith('data:')) return [url.slice(url.indexOf(',') + 1)];
    const message = `${name} takes no links to images: send the image itself, as base64 or a data:image/…;base64, URL.`;
    throw new ProviderRefusal(message, { reason: 'image' });
  });
  return { content: texts.join('\n'), ...(images.length > 0 ? { images } : {}) };
}

/** Ollama takes arguments as an object. */
const calledOf = ({ id, function: { name, arguments: text } }: ToolCall) => ({
  id,
  function: { name, arguments: parseObject(text) ?? {} },
});

/** The messages as Ollama takes them: a result names its function. */
function messagesOf(name: string, messages: readonly ChatMessage[]): Message[] {
  const names = new Map<string, string>();
  return messages.map(({ role, content, tool_calls: calls, tool_call_id: id }) => {
    for (const call of calls ?? []) names.set(call.id, call.function.name);
    return {
      role,
      ...contentOf(name, content),
      ...(calls ? { tool_calls: calls.map(calledOf) } : {}),
      ...(id === undefined ? {} : { tool_call_id: id, tool_name: names.get(id) ?? '' }),
    };
  });
}

type Format = ChatRequest['format'];

function formatOf({ response_format: form }: ChatCall): Format | undefined {
  if (form?.type === 'json_object') return 'json';
  return form?.type === 'json_schema' ? form.json_schema.schema : undefined;
}

/** By how much it is to think; its own words are low, medium and high. */
function thinkOf({ reasoning_effort: effort }: ChatCall): ChatRequest['think'] | undefined {
  if (effort === undefined) return undefined;
  if (effort === 'none') return false;
  if (effort === 'minimal') return 'low';
  return effort === 'low' || effort === 'medium' || effort === 'high' ? effort : true;
}

/** What its parameters are to whoever made the call. */
const GIVEN_AS: Record<string, string> = { format: 'response_format', think: 'reasoning_effort' };

/** The functions a call may choose among. That it must choose one is nothing that Ollama knows. */
function toolsOf({ tools = [], tool_choice: choice = 'auto' }: ChatCall): { tools: ChatTool[]; isForced: boolean } {
  if (choice === 'none') return { tools: [], isForced: false };
  if (typeof choice === 'string') return { tools, isForced: choice === 'required' && tools.length > 0 };
  const chosen = tools.filter((tool) => tool.function.name === choice.function.name);
  return { tools: chosen, isForced: chosen.length > 0 };
}

/**
 * The call as Ollama takes it; what only Ollama knows is among its options.
 * `names`: those of what its model may not take.
 */
export function requestOf(name: string, call: ChatCall, refused: Refused) {
  const { tools, isForced } = toolsOf(call);
  const named = {
    temperature: call.temperature,
    top_p: call.top_p,
    num_predict: call.max_tokens,
    frequency_penalty: call.frequency_penalty,
    presence_penalty: call.presence_penalty,
    seed: call.seed,
    stop: typeof call.stop === 'string' ? [call.stop] : call.stop,
  };
  // One that was not given takes nothing from what the client names as Ollama does.
  const given = Object.entries(named).filter(([, value]) => value !== undefined);
  const options = { ...call.extra, ...Object.fromEntries(given) };
  const may = { tools: tools.length > 0 ? tools : undefined, format: formatOf(call), think: thinkOf(call) };
  const set = Object.entries(may).filter(([, value]) => value !== undefined);
  const sent = set.filter(([key]) => !refused.has(key));
  const lost = set.flatMap(([key, value]) => (refused.has(key) && value !== false ? [GIVEN_AS[key] ?? key] : []));
  const request = {
    model: call.model,
    messages: messagesOf(name, call.messages),
    stream: true,
    options,
    ...Object.fromEntries(sent),
  } as ChatRequest & { stream: true };
  const note = withoutNote([...lost, ...(isForced && !refused.has('tools') ? ['tool_choice'] : [])]);
  return { request, names: sent.map(([key]) => key), note };
}
