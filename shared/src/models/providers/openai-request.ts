/**
 * What servers that speak like OpenAI are sent. What one of their models does not take is left out, or sent under another
 * name, from its first refusal on.
 */
import type { ChatCall } from '../../provider.ts';
import { ProviderRefusal } from './answer-error.ts';

/** Parameters that a model may refuse, by their names in a request. */
const SETTINGS = ['temperature', 'max_tokens', 'top_p', 'frequency_penalty', 'presence_penalty'] as const;
type Setting = (typeof SETTINGS)[number];
const STREAM_OPTIONS = 'stream_options';
const NEW_NAME = 'max_completion_tokens';

/** Parameters that one model does not take. */
export type Refused = ReadonlySet<string>;

const isDefault = (setting: Setting, value: number) => {
  if (setting === 'temperature' || setting === 'top_p') return value === 1;
  return setting !== 'max_tokens' && value === 0;
};

/** The parameters of a call as a model takes them. `note` tells which are left out; JSON leaves out those without a value. */
export function requestOf(call: ChatCall, refused: Refused) {
  const given = SETTINGS.filter((name) => call[name] !== undefined);
  const nameOf = (name: Setting) => (name === 'max_tokens' && refused.has('max_tokens') ? NEW_NAME : name);
  const sent = given.filter((name) => !refused.has(nameOf(name)));
  const lost = given.filter((name) => refused.has(nameOf(name)) && !isDefault(name, call[name] ?? 0));
  const body = {
    model: call.model,
    messages: call.messages,
    ...Object.fromEntries(sent.map((name) => [nameOf(name), call[name]])),
    stream: true,
    ...(refused.has(STREAM_OPTIONS) ? {} : { [STREAM_OPTIONS]: { include_usage: true } }),
  };
  const names = [...sent.map(nameOf), ...(refused.has(STREAM_OPTIONS) ? [] : [STREAM_OPTIONS])];
  const note = lost.length === 0 ? undefined : `The model does not take ${lost.join(', ')}: it answered without.`;
  return { body, names, note };
}

/** What a refusal says that a model does not take, of what it was sent; undefined when it says nothing of the kind. */
export const unknownParameter = (error: unknown): string | undefined =>
  error instanceof ProviderRefusal && error.reason === 'parameter' ? error.parameter : undefined;
