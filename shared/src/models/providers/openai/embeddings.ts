/** Vectors, as servers that speak like OpenAI give them. */
import { TaskError } from '../../../errors.ts';
import type { EmbedCall, Embedded } from '../../../provider.ts';
import { asObject, asText, type Json } from '../json.ts';

export const embedRequest = (texts: string[], { model, dimensions }: EmbedCall) => ({
  ...{ model, input: texts, encoding_format: 'float' as const },
  ...(dimensions === undefined ? {} : { dimensions }),
});

/** Some give base64 whatever they are asked for: floats of 32 bits, little end first. */
function vectorOf(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const bytes = Buffer.from(value, 'base64');
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, at) => bytes.readFloatLE(4 * at));
}

/** The vectors of an answer, by the places that it gives them; those without one stand where they stand. */
export function embeddedIn(name: string, answer: Json | undefined, model: string): Embedded {
  const data = answer?.data;
  if (!Array.isArray(data)) throw new TaskError('provider_busy', `${name} did not answer with vectors.`);
  const vectors: unknown[] = [];
  for (const [at, value] of data.entries()) {
    const { index, embedding } = asObject(value) ?? {};
    const place = typeof index === 'number' && index >= 0 && index < data.length ? index : at;
    vectors[place] = vectorOf(embedding);
  }
  const inputTokens = asObject(answer?.usage)?.prompt_tokens;
  return {
    // What is none of them is found by whoever asked.
    vectors: Array.from({ length: data.length }, (_, at) => vectors[at] as number[]),
    model: asText(answer?.model) || model,
    ...(typeof inputTokens === 'number' ? { usage: { inputTokens, outputTokens: 0 } } : {}),
  };
}
