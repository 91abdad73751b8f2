/**
 * How a server of Ollama is asked. The official client builds and sends the request; its answer is read here, because the client's
 * own reader prints what is not JSON with the provider's words and skips it, bounds no line, cannot be aborted before the first
 * byte and leaves the connection open when reading stops. Its entry for browsers is used: the other one opens local files
 * that the text of an image happens to name.
 */
import type { Ollama } from 'ollama/browser';
import { TaskError } from '../../../errors.ts';
import { answerError, connectionError } from '../answer-error.ts';
import type { Answer, HttpFetch } from '../http-fetch.ts';
import { type Json, parseObject, readText } from '../json.ts';
import type { rememberRefused } from '../refused.ts';

/** `url` such as `http://127.0.0.1:11434`. `hint` follows the message when nothing answers there. */
export type OllamaOptions = { name: string; url: string; apiKey?: string | undefined; hint?: string | undefined };

export type Backend = OllamaOptions & { fetch: HttpFetch; untilTaken: ReturnType<typeof rememberRefused> };

const MODEL_NAME = /^[\w.:/@-]+$/;

/** What is asked, by a method of the client; `names` are the parameters that the model may refuse. */
type Asked = { model?: string; names?: string[]; signal: AbortSignal; by(client: Ollama): Promise<unknown> };

/** A refusal of Ollama's own says that the model is missing; another 404 comes from something else at that address. */
async function refusalOf(name: string, answer: Answer, { model, names }: Asked): Promise<TaskError> {
  const { status, headers } = answer;
  const error = await answerError(name, answer, names);
  if (status !== 404 || !model || !/\bjson\b/.test(headers.get('content-type') ?? '')) return error;
  const command = MODEL_NAME.test(model) ? ` On its machine: ollama pull ${model}` : '';
  return new TaskError('provider_refused', `${name} does not have the model "${model}" (HTTP ${status}).${command}`);
}

/** Sends what `by` asks the client for, and gives the answer as it came, or throws the error of its status. */
export async function ask({ name, url, apiKey, fetch }: Backend, asked: Asked): Promise<Answer> {
  let answer: Answer | undefined;
  const { Ollama } = await import('ollama/browser');
  const client = new Ollama({
    host: url,
    ...(apiKey ? { headers: { Authorization: `Bearer ${apiKey}` } } : {}),
    // The client of one request: only its fetch can be given the signal.
    async fetch(input, init) {
      answer = await fetch(String(input), { ...init, signal: asked.signal });
      return Response.json({});
    },
  });
  await asked.by(client);
  if (answer?.ok) return answer;
  throw answer ? await refusalOf(name, answer, asked) : new TaskError('provider_busy', `${name} answered nothing.`);
}

/** The object that it answers, as far as `limit` characters; undefined when it is none. */
export async function askForObject(backend: Backend, asked: Asked, limit?: number): Promise<Json | undefined> {
  const { name, hint } = backend;
  try {
    const { body } = await ask(backend, asked);
    return parseObject(await readText(body, limit));
  } catch (error) {
    asked.signal.throwIfAborted();
    throw connectionError(name, error, hint);
  }
}
