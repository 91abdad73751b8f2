/** What a chat adds to its session: the new messages, and the answer or what there is of it. */
import {
  type EndedTask,
  type Message,
  messageIdOf,
  type SessionChange,
  type Speech,
  storedContent,
  textOfContent,
  turnIdOf,
} from '../../session.ts';
import type { Message as Said } from './message.ts';

type Answer = {
  content: string;
  tool_calls?: Speech['tool_calls'];
  model: string;
  provider: string;
  metadata?: Record<string, string> | undefined;
};

/** Who gives instructions of a call, which are not part of the conversation. */
const INSTRUCTS: readonly Said['role'][] = ['system', 'developer'];

/**
 * Null when nothing was said: no attempt ever began. System messages are instructions of their own call and are not part
 * of the conversation; the others keep their places, so that the ids are the same whatever came of the task.
 */
export function chatTurn(sessionId: string, said: Said[], task: EndedTask<Answer>): SessionChange | null {
  const { id, turnOf, startedAt, createdAt, endedAt, output, usage } = task;
  if (startedAt === null) return null;
  const turn = turnIdOf(task);
  const message = (by: string, index: number, { role, ...speech }: Said): Message => ({
    id: messageIdOf(by, index),
    role: role === 'developer' ? 'system' : role,
    content: storedContent(speech),
    text: textOfContent(speech.content),
    model: null,
    usage: null,
    metadata: '{}',
    task: { id, status: task.status, ...(turnOf === null ? {} : { turnOf }) },
    createdAt,
  });
  // A retry asks what was asked: the same messages, which are there already.
  const messages = said.flatMap((one, index) =>
    INSTRUCTS.includes(one.role) ? [] : [message(turnOf ?? turn, index, one)],
  );
  if (output) {
    messages.push({
      ...message(turn, said.length, { role: 'assistant', content: output.content, tool_calls: output.tool_calls }),
      model: `${output.provider}/${output.model}`,
      usage,
      metadata: JSON.stringify(output.metadata ?? {}),
      createdAt: endedAt,
    });
  }
  if (messages.length === 0) return null;
  return { sessionId, messages, tokens: (usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0) };
}
