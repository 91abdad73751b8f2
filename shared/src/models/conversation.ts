/**
 * The form in which every model takes a conversation: one system message, first; then user and assistant in turns, from a
 * user's message to a user's; none of them empty. What a conversation holds, however it came about, is brought into it, so
 * that nothing of it can make a later call fail.
 */
import type { ChatMessage, ContentPart } from '../provider.ts';
import { ProviderRefusal, type RefusalReason } from './providers/answer-error.ts';

type Content = ChatMessage['content'];
const isText = (part: ContentPart) => part.type === 'text';

/** Stands for the message before an assistant's that comes first: a greeting, or the rest of a window that was cut. */
const BEFORE = '[…]';
/** Stands for the answer to an earlier question that got none. */
const NO_ANSWER = '[no answer]';
/** Follows when nobody has asked anything. */
const GO_ON = 'Go on.';
const NO_PICTURE = '[a picture, left out]';

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

/** A conversation as it is sent. */
export function conversation(messages: readonly ChatMessage[]): ChatMessage[] {
  const system: Content[] = [];
  const turns: { role: ChatMessage['role']; contents: Content[]; earlier: boolean }[] = [];
  const put = (role: ChatMessage['role'], content: Content, earlier = false) =>
    turns.push({ role, contents: [content], earlier });
  for (const { role, content, earlier = false } of messages) {
    const clean = cleaned(content);
    if (clean === undefined) continue;
    const last = turns.at(-1);
    if (role === 'system') system.push(clean);
    else if (last?.role !== role) put(role, clean, earlier);
    else if (role === 'user' && last.earlier && !earlier) {
      // What is asked now is not to be answered together with what was asked before.
      put('assistant', NO_ANSWER);
      put(role, clean);
    } else last.contents.push(clean);
  }
  if (turns[0]?.role === 'assistant') turns.unshift({ role: 'user', contents: [BEFORE], earlier: true });
  if (turns.at(-1)?.role !== 'user') put('user', GO_ON);
  const said = turns.map(({ role, contents }) => ({ role, content: join(contents) }));
  return system.length === 0 ? said : [{ role: 'system', content: join(system) }, ...said];
}

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
  const why = WHY[error.reason];
  if (why === undefined || !messages.some(({ earlier }) => earlier)) return undefined;
  const note = `The model ${why} before this message: it answered without.`;
  return { messages: messages.filter(({ earlier }) => !earlier), note };
}
