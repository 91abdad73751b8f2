/** Answers that must be JSON: taken out of what a model put around it, and checked, whatever its server promised. */
import { TaskError } from '../../errors.ts';
import type { ChatMessage, ResponseFormat } from '../../provider.ts';
import { checkBySchema } from './json-check.ts';

export type JsonForm = Exclude<ResponseFormat, { type: 'text' }>;

/** The form that an answer must have; undefined when it is text. */
export const jsonForm = (format: ResponseFormat | undefined): JsonForm | undefined =>
  format === undefined || format.type === 'text' ? undefined : format;

const FIELD = 'response_format.json_schema.schema';
const tooMuch = () => new TaskError('invalid_output', 'The answer could not be checked: its schema asks for too much.');

/** Throws when answers cannot be checked by the schema. */
export async function checkForm(form: JsonForm): Promise<void> {
  if (form.type !== 'json_schema') return;
  const checked = await checkBySchema({ schema: form.json_schema.schema, text: undefined });
  if (!checked) throw tooMuch();
  if (checked.schema !== undefined) throw new TaskError('invalid_request', `${FIELD}: ${checked.schema}`);
}

/** The value and its text, without a fence around it. */
function jsonIn(text: string): { value: unknown; text: string } | undefined {
  const bare = text.trim();
  const inner = /^```[a-z]*\s*\n([\s\S]*?)\n?\s*```$/i.exec(bare)?.[1];
  for (const candidate of [bare, ...(inner === undefined ? [] : [inner.trim()])]) {
    try {
      return { value: JSON.parse(candidate), text: candidate };
    } catch {
      // The next, or none.
    }
  }
  return undefined;
}

/** The text of an answer as it is given out, or what is wrong with it. */
export async function checkAnswer(form: JsonForm, answer: string): Promise<{ text: string } | { problem: string }> {
  const json = jsonIn(answer);
  if (!json) return { problem: 'it is not JSON' };
  if (form.type === 'json_object') {
    const isObject = typeof json.value === 'object' && json.value !== null && !Array.isArray(json.value);
    return isObject ? { text: json.text } : { problem: 'it is not a JSON object' };
  }
  const checked = await checkBySchema({ schema: form.json_schema.schema, text: json.text });
  if (!checked) throw tooMuch();
  if (checked.schema !== undefined) throw new TaskError('invalid_request', `${FIELD}: ${checked.schema}`);
  return checked.answer ? { problem: checked.answer.join('; ') } : { text: json.text };
}

/** The conversation with an answer that is not as it must be, and what is to be done about it. */
export const askedAgain = (messages: readonly ChatMessage[], answer: string, problem: string): ChatMessage[] => [
  ...messages,
  { role: 'assistant', content: answer },
  { role: 'user', content: `That is not valid: ${problem}. Answer again, with nothing but the valid JSON.` },
];

export const invalidAnswer = (problem: string) =>
  new TaskError('invalid_output', `The answer does not have the form of response_format: ${problem}.`);
