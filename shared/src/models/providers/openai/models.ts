/** What servers that speak like OpenAI have: their lists tell names, some also what a model can do, each in its own words. */
import type { ModelAbilities, ModelInfo } from '../../../provider.ts';
import { asObject, asText, type Json } from '../json.ts';

/** Models that give vectors, and further ones that do not chat, by what their makers call them: lists do not tell. */
const EMBEDS = /embed|minilm|\b(bge|gte|e5|nomic|clip)\b/i;
const NO_CHAT = /rerank|whisper|transcribe|\btts\b|speech|moderation|guard|dall-e|image/i;

export const canChat = (name: string) => !EMBEDS.test(name) && !NO_CHAT.test(name);

/** What is known of models whose servers do not tell, by the beginnings of their names. */
const KNOWN: readonly [RegExp, ModelAbilities][] = [
  [/^gpt-5/, { tools: true, vision: true, contextTokens: 400_000 }],
  [/^gpt-4\.1/, { tools: true, vision: true, contextTokens: 1_047_576 }],
  [/^(gpt-4o|chatgpt-4o)/, { tools: true, vision: true, contextTokens: 128_000 }],
  [/^gpt-4-turbo/, { tools: true, vision: true, contextTokens: 128_000 }],
  [/^gpt-4/, { tools: true, vision: false, contextTokens: 8_192 }],
  [/^gpt-3\.5/, { tools: true, vision: false, contextTokens: 16_385 }],
  [/^o1-mini/, { tools: false, vision: false, contextTokens: 128_000 }],
  [/^o3-mini/, { tools: true, vision: false, contextTokens: 200_000 }],
  [/^o[134]/, { tools: true, vision: true, contextTokens: 200_000 }],
  [/^claude/, { tools: true, vision: true, contextTokens: 200_000 }],
  [/^gemini/, { tools: true, vision: true, contextTokens: 1_048_576 }],
  [/^text-embedding-3|^text-embedding-ada/, { embedding: true, contextTokens: 8_192 }],
];

const knownOf = (name: string): ModelAbilities => {
  const own = name.slice(name.lastIndexOf('/') + 1).toLowerCase();
  return KNOWN.find(([pattern]) => pattern.test(own))?.[1] ?? {};
};

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;
/** vLLM, OpenRouter, Groq, Mistral, LM Studio, llama.cpp. */
const LENGTHS = ['max_model_len', 'context_length', 'context_window', 'max_context_length', 'n_ctx', 'n_ctx_train'];

const includes = (list: unknown, wanted: string) => (Array.isArray(list) ? list.includes(wanted) : undefined);
const asBoolean = (value: unknown) => (typeof value === 'boolean' ? value : undefined);

/** What an entry of a list tells. */
function toldBy(entry: Json): ModelAbilities {
  const capabilities = asObject(entry.capabilities);
  const meta = asObject(entry.meta);
  const contextTokens = LENGTHS.map((name) => entry[name] ?? meta?.[name]).find(isCount);
  const tools = asBoolean(capabilities?.function_calling) ?? includes(entry.supported_parameters, 'tools');
  const inputs = asObject(entry.architecture)?.input_modalities ?? entry.input_modalities;
  const vision = asBoolean(capabilities?.vision) ?? includes(inputs, 'image');
  const embedding = /embed/i.test(asText(entry.type) ?? '') || undefined;
  return {
    ...(tools === undefined ? {} : { tools }),
    ...(vision === undefined ? {} : { vision }),
    ...(embedding === undefined ? {} : { embedding }),
    ...(contextTokens === undefined ? {} : { contextTokens }),
  };
}

/** What is known of a model by its name alone. */
export const abilitiesOf = (name: string): ModelAbilities => ({
  ...(EMBEDS.test(name) ? { embedding: true, tools: false, vision: false } : {}),
  ...knownOf(name),
});

/** The models of a list, by the answer of a server. */
export function modelsIn(answer: unknown): ModelInfo[] {
  // Some give the list alone.
  const list: unknown = Array.isArray(answer) ? answer : asObject(answer)?.data;
  return (Array.isArray(list) ? list : []).flatMap((value): ModelInfo[] => {
    const entry = asObject(value);
    const name = asText(entry?.id);
    return entry && name ? [{ name, ...abilitiesOf(name), ...toldBy(entry) }] : [];
  });
}
