/** A model backend that streams. Implementations live in `providers/`, one SDK each. */

/** Tokens of a call. `estimated` when the backend did not report them. */
export type Usage = { inputTokens: number; outputTokens: number };

export type ContentPart = { type: 'text'; text: string } | { type: 'image_url'; image_url: { url: string } };
/** `earlier`: part of a session's past; a model that does not take it is asked without. */
export type ChatMessage = { role: 'system' | 'user' | 'assistant'; content: string | ContentPart[]; earlier?: true };

/** One call of a model. `model` is the name the backend knows, without the provider's prefix. */
export type ChatCall = {
  model: string;
  messages: ChatMessage[];
  temperature?: number | undefined;
  max_tokens?: number | undefined;
  top_p?: number | undefined;
  frequency_penalty?: number | undefined;
  presence_penalty?: number | undefined;
  /** The provider must stop the generation and close its connection when this aborts. */
  signal: AbortSignal;
};

/** A piece of an answer. Every chunk is data (comment keep-alives give none). The last ones carry what the model said of the end. */
export type ChatChunk = {
  text: string;
  /** What the model thought meanwhile: no part of its answer. */
  reasoning?: string;
  finishReason?: string;
  usage?: Usage;
  model?: string;
  /** What of the call could not be honoured, for whoever made it. */
  note?: string;
};

/**
 * What a finished call amounted to. `note`: what else is to be known of the answer; `isModel`: false when no language model
 * gave it.
 */
export type ChatOutcome = {
  model: string;
  provider: string;
  finish_reason: string;
  usage: Usage & { estimated: boolean };
  note?: string;
  isModel: boolean;
};

/**
 * `chat` gives the chunks of one call in order. It throws a TaskError: `provider_busy` (429, 5xx, network; with
 * `retryAfterMs` when the backend said so), `provider_refused` (other 4xx, content filter), `provider_not_configured`.
 * When `signal` aborts it ends or throws; the caller looks at `signal.reason`.
 */
export type Provider = {
  name: string;
  /** Where it is, or what, in a few words for whoever runs it. Holds no key. */
  place: string;
  /** All it has, when that never changes: no other name is one of its models. */
  models?: readonly string[];
  /** The model of calls that name none; where nobody set one the backend is asked. Throws as `chat` does. */
  defaultModel(signal: AbortSignal): Promise<string>;
  /** That its answers are no language model's, shown in the output's metadata; a model has none. */
  note?: string;
  chat(call: ChatCall): AsyncIterable<ChatChunk>;
};
