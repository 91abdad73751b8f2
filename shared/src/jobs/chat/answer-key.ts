/** What decides the answer of a chat, so that equal requests have equal keys: all that the model is sent, and the model. */

/** Raised when the same request is to be answered anew: what we add to it, or make of an answer, has changed. */
const PROMPT_VERSION = 3;

/** What no reader tells apart: how letters are composed, line ends, space behind the text. Space before it may be an indent. */
const normal = (text: string) => text.normalize('NFC').replaceAll('\r\n', '\n').trimEnd();

type Part = { type: 'text'; text: string } | { type: 'image_url'; image_url: { url: string } };

/**
 * `model` is the resolved `provider/model`. Every other field of the call counts too. The language is that of the messages:
 * nothing else of an owner goes into a call without a session.
 */
export function answerKey(call: { messages: { role: string; content: string | Part[] }[] }, model: string): unknown {
  const messages = call.messages.map(({ role, content }) => ({
    role,
    content:
      typeof content === 'string'
        ? normal(content)
        : content.map((part) => (part.type === 'text' ? { ...part, text: normal(part.text) } : part)),
  }));
  return { prompt: PROMPT_VERSION, ...call, model, messages };
}
