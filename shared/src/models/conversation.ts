/**
 * The form in which every model takes a conversation: one system message, first; then user and assistant in turns, from a
 * user's message to a user's, or to the results of functions; each call of a function followed by its result; none of them
 * empty. What a conversation holds, however it came about, is brought into it, so that nothing of it can make a later call
 * fail.
 */
import type { ChatMessage, ContentPart, ToolCall } from '../provider.ts';
import { ProviderRefusal } from './providers/answer-error.ts';
import type { RefusalReason } from './providers/refusal-reason.ts';
import { inWords, withResults } from './tool-turns.ts';

type Content = ChatMessage['content'];
const isText = (part: ContentPart) => part.type === 'text';

/** Stands for the message before an assistant's that comes first: a greeting, or the rest of a window that was cut. */
const BEFORE = '[…]';
/** Stands for the answer to an earlier question that got none. */
const NO_ANSWER = '[no answer]';
/** Follows when nobody has asked anything. */
const GO_ON = 'Go on.';
const NO_PICTURE = '[a picture, left out]';
/** Stands for the result of a function that gave nothing. */
const EMPTY = '[empty]';

/** Undefined when there is nothing in it. Parts only where there is a picture: some servers take nothing but text. */
function cleaned(content: Content): Content | undefined {
  if (typeof content === 'string') return content.trim() === '' ? undefined : content.toWellFormed();
  const parts = content.flatMap((part): ContentPart[] => {
    if (part.type !== 'text') return [part];
    return part.text.trim() === '' ? [] : [{ ...part, text: part.text.toWellFormed() }];
  });
  if (parts.length === 0) return undefined;
  return parts.every(isText) ? parts.map(({ text }) => text).join('\n') : parts;
}

const partsOf = (content: Content) =>
  typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content;

function join(contents: Content[]): Content {
  if (contents.every((content) => typeof content === 'string')) return contents.join('\n\n');
  return contents.flatMap(partsOf);
}

/** What one says, joined of pieces. A result stands for itself. */
type Turn = {
  role: ChatMessage['role'];
  contents: Content[];
  calls: ToolCall[];
  reasoning: string;
  id: string | undefined;
  earlier: boolean;
};

const NOTHING = { calls: [], reasoning: '', id: undefined, earlier: false };

/** A result is text: of other things most servers know nothing there. */
function resultOf(content: Content): Content {
  const clean = cleaned(withoutPictures(content));
  return clean ?? EMPTY;
}

function messageOf({ role, contents, calls, reasoning, id }: Turn): ChatMessage {
  return {
    role,
    content: join(contents),
    ...(reasoning === '' ? {} : { reasoning }),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
    ...(id === undefined ? {} : { tool_call_id: id }),
  };
}

/** A conversation as it is sent. */
export function conversation(messages: readonly ChatMessage[]): ChatMessage[] {
  const system: Content[] = [];
  const turns: Turn[] = [];
  const put = (role: Turn['role'], content: Content | undefined, more: Partial<Turn> = {}) =>
    turns.push({
      ...{ role, contents: content === undefined ? [] : [content], ...NOTHING },
      ...more,
    });
  for (const message of withResults(messages)) {
    const { role, content, reasoning = '', tool_calls: calls = [], tool_call_id: id, earlier = false } = message;
    const last = turns.at(-1);
    const clean = role === 'tool' ? resultOf(content) : cleaned(content);
    if (clean === undefined && calls.length === 0) continue;
    if (role === 'system' || role === 'developer') system.push(clean ?? '');
    else if (role === 'tool') put(role, clean, { id, earlier });
    else if (last?.role === role && !(role === 'user' && last.earlier && !earlier)) {
      if (clean !== undefined) last.contents.push(clean);
      last.calls = [...last.calls, ...calls];
      last.reasoning += reasoning;
    } else {
      // What is asked now is not to be answered together with what was asked before; and results are answered first.
      if (role === 'user' && last && last.role !== 'assistant') put('assistant', NO_ANSWER);
      put(role, clean, { calls, reasoning, earlier });
    }
  }
  if (turns[0]?.role === 'assistant') turns.unshift(beforeFirst());
  const end = turns.at(-1)?.role;
  if (end !== 'user' && end !== 'tool') put('user', GO_ON);
  const said = turns.map(messageOf);
  return system.length === 0 ? said : [{ role: 'system', content: join(system) }, ...said];
}

const beforeFirst = (): Turn => ({ ...NOTHING, role: 'user', contents: [BEFORE], earlier: true });

/** What is said of the conversation so far, by the reason of its refusal. */
const WHY: Partial<Record<RefusalReason, string>> = {
  context: 'has no room for the conversation',
  filter: 'has a content filter that refuses the conversation',
  request: 'refuses the conversation',
};

const hasPicture = ({ content }: ChatMessage) =>
  typeof content !== 'string' && content.some(({ type }) => type === 'image_url');

const withoutPictures = (content: Content): Content =>
  typeof content === 'string'
    ? content
    : content.map((part) => (part.type === 'text' ? part : { type: 'text', text: NO_PICTURE }));

/**
 * The messages without what a model refused of the conversation's past, and what is to be said of it; undefined when the
 * refusal is of another kind, or nothing is left to leave out.
 */
export function withoutRefused(
  messages: ChatMessage[],
  error: unknown,
): { messages: ChatMessage[]; note: string } | undefined {
  if (!(error instanceof ProviderRefusal)) return undefined;
  if (error.reason === 'image' && messages.some((message) => message.earlier && hasPicture(message))) {
    const shown = messages.map((message) =>
      message.earlier ? { ...message, content: withoutPictures(message.content) } : message,
    );
    return { messages: shown, note: 'The model does not take the earlier pictures: it answered without them.' };
  }
  const told = error.reason === 'request' ? inWords(messages) : undefined;
  if (told) return { messages: told, note: 'The model was told in words what functions gave.' };
  const why = WHY[error.reason];
  if (why === undefined || !messages.some(({ earlier }) => earlier)) return undefined;
  const note = `The model ${why} before this message: it answered without.`;
  return { messages: messages.filter(({ earlier }) => !earlier), note };
}
