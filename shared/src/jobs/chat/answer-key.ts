/** What decides the answer of a chat, so that equal requests have equal keys: all that the model is sent, and the model. */
import type { Speech } from '../../session.ts';

/** Raised when the same request is to be answered anew: what we add to it, or make of an answer, has changed. */
const PROMPT_VERSION = 4;

/** What no reader tells apart: how letters are composed, line ends, space behind the text. Space before it may be an indent. */
const normal = (text: string) => text.normalize('NFC').replaceAll('\r\n', '\n').trimEnd();

/**
 * `model` is the resolved `provider/model`. Every other field of the call, and of its messages, counts too. The language is that
 * of the messages: nothing else of an owner goes into a call without a session.
 */
export function answerKey(call: { messages: (Speech & { role: string })[] }, model: string): unknown {
  const messages = call.messages.map(({ content, ...message }) => ({
    ...message,
    content:
      typeof content === 'string'
        ? normal(content)
        : content.map((part) => (part.type === 'text' ? { ...part, text: normal(part.text) } : part)),
  }));
  return { prompt: PROMPT_VERSION, ...call, model, messages };
}
