/** A model backend that streams. Implementations live in `providers/`, one SDK each. */

/**
 * Tokens of a call. `cachedTokens` are those among the input that the backend had read before, `reasoningTokens` those among the
 * output that were thought; both absent where it does not tell.
 */
export type Usage = {
  inputTokens: number;
  outputTokens: number;
  cachedTokens?: number | undefined;
  reasoningTokens?: number | undefined;
};

export type ContentPart = { type: 'text'; text: string } | { type: 'image_url'; image_url: { url: string } };

/** A call of a function, whole, as a message holds it. `arguments` is what the model wrote: JSON, unless it failed to. */
export type ToolCall = { id: string; type: 'function'; function: { name: string; arguments: string } };

/** A function that the model may call. `parameters` is a JSON schema of its arguments, an object's. */
export type ChatTool = {
  type: 'function';
  function: {
    name: string;
    description?: string | undefined;
    parameters?: Record<string, unknown> | undefined;
    strict?: boolean | undefined;
  };
};

export type ToolChoice = 'auto' | 'none' | 'required' | { type: 'function'; function: { name: string } };

/** The form of the answer. What a `json_schema` asks for is checked here too, whatever the backend promised. */
export type ResponseFormat =
  | { type: 'text' }
  | { type: 'json_object' }
  | {
      type: 'json_schema';
      json_schema: { name: string; schema: Record<string, unknown>; strict?: boolean | undefined };
    };

/**
 * One message of a conversation. `tool_calls`: of an assistant; each is followed by a message of role `tool` with its id in
 * `tool_call_id`. `earlier`: part of a session's past; a model that does not take it is asked without.
 */
export type ChatMessage = {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  content: string | ContentPart[];
  /** Of an assistant: what it thought before. Only servers that want it back get it. */
  reasoning?: string | undefined;
  tool_calls?: ToolCall[] | undefined;
  tool_call_id?: string | undefined;
  earlier?: true;
};

/** One call of a model. `model` is the name the backend knows, without the provider's prefix. */
export type ChatCall = {
  model: string;
  messages: ChatMessage[];
  temperature?: number | undefined;
  max_tokens?: number | undefined;
  top_p?: number | undefined;
  frequency_penalty?: number | undefined;
  presence_penalty?: number | undefined;
  tools?: ChatTool[] | undefined;
  tool_choice?: ToolChoice | undefined;
  /** False: at most one call in a turn. */
  parallel_tool_calls?: boolean | undefined;
  response_format?: ResponseFormat | undefined;
  stop?: string | string[] | undefined;
  seed?: number | undefined;
  /** `none`, `minimal`, `low`, `medium`, `high`, or whatever the backend knows. */
  reasoning_effort?: string | undefined;
  /** Parameters that only the backend knows, untouched. A name that stands above is not one of them. */
  extra?: Record<string, unknown> | undefined;
  /** The provider must stop the generation and close its connection when this aborts. */
  signal: AbortSignal;
};

/**
 * A piece of a call of a function. `index` counts the calls of an answer from 0, whatever the backend numbers them by. `id` and
 * `name` come once, with the first piece of a call; the `arguments` of all pieces, joined, are its arguments.
 */
export type ToolCallPiece = { index: number; id?: string; name?: string; arguments: string };

/** A piece of an answer. Every chunk is data (comment keep-alives give none). The last ones carry what the model said of the end. */
export type ChatChunk = {
  text: string;
  /** What the model thought meanwhile: no part of its answer. */
  reasoning?: string;
  toolCalls?: ToolCallPiece[];
  finishReason?: string;
  usage?: Usage;
  model?: string;
  /** What of the call could not be honoured, for whoever made it. */
  note?: string;
};

/**
 * What the last call amounted to, beside its text. `usage` is that of all calls. `note`: what else is to be known of the answer;
 * `isModel`: false when no language model gave it.
 */
export type ChatOutcome = {
  model: string;
  provider: string;
  finish_reason: string;
  tool_calls?: ToolCall[];
  reasoning?: string;
  usage: Usage & { estimated: boolean };
  note?: string;
  isModel: boolean;
};

/**
 * What a model can do, as far as is known: absent fields are not. `contextTokens`: most tokens of one call, question and answer
 * together.
 */
export type ModelAbilities = { tools?: boolean; vision?: boolean; embedding?: boolean; contextTokens?: number };

/** `name` is what a call's `model` names it by. */
export type ModelInfo = ModelAbilities & { name: string };

/** `dimensions`: how long the vectors are to be, of models that can choose. */
export type EmbedCall = { model: string; dimensions?: number | undefined; signal: AbortSignal };

/** A vector for each text, in their order. `usage` is absent where the backend tells none. */
export type Embedded = { vectors: number[][]; model: string; usage?: Usage };

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
  /** One request. Callers ask by `embedTexts`, which bounds it and checks what comes. Throws as `chat` does. */
  embed?(texts: string[], call: EmbedCall): Promise<Embedded>;
  /** Every model that it has. Throws as `chat` does. */
  listModels?(signal: AbortSignal): Promise<ModelInfo[]>;
  /** What one of them can do. Throws as `chat` does. */
  describe?(model: string, signal: AbortSignal): Promise<ModelAbilities>;
};
