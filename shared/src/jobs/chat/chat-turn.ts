/** What a chat adds to its session: the new messages, and the answer or what there is of it. */
import { type EndedTask, type Message, messageIdOf, type SessionChange, turnIdOf } from '../../session.ts';

type Content = string | ({ type: 'text'; text: string } | { type: 'image_url'; image_url: { url: string } })[];
type Said = { role: Message['role']; content: Content };
type Answer = { content: string; model: string; provider: string; metadata?: Record<string, string> | undefined };

const textOf = (content: Content) =>
  typeof content === 'string'
    ? content
    : content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');

/**
 * Null when nothing was said: no attempt ever began. System messages are instructions of their own call and are not part
 * of the conversation; the others keep their places, so that the ids are the same whatever came of the task.
 */
export function chatTurn(sessionId: string, said: Said[], task: EndedTask<Answer>): SessionChange | null {
  const { id, turnOf, startedAt, createdAt, endedAt, output, usage } = task;
  if (startedAt === null) return null;
  const turn = turnIdOf(task);
  const message = (by: string, index: number, { role, content }: Said): Message => ({
    id: messageIdOf(by, index),
    role,
    content: JSON.stringify(content),
    text: textOf(content),
    model: null,
    usage: null,
    metadata: '{}',
    task: { id, status: task.status, ...(turnOf === null ? {} : { turnOf }) },
    createdAt,
  });
  // A retry asks what was asked: the same messages, which are there already.
  const messages = said.flatMap((one, index) => (one.role === 'system' ? [] : [message(turnOf ?? turn, index, one)]));
  if (output) {
    messages.push({
      ...message(turn, said.length, { role: 'assistant', content: output.content }),
      model: `${output.provider}/${output.model}`,
      usage,
      metadata: JSON.stringify(output.metadata ?? {}),
      createdAt: endedAt,
    });
  }
  if (messages.length === 0) return null;
  return { sessionId, messages, tokens: (usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0) };
}
