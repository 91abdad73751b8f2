/** What a server of Ollama has, and what each of its models can do. */
import { TaskError } from '../../../errors.ts';
import type { ModelAbilities, ModelInfo } from '../../../provider.ts';
import { asObject, asText, type Json } from '../json.ts';
import { askForObject, type Backend } from './ask.ts';

/** Models that are looked at for one that can chat, and most that are listed. */
const MAX_LOOKED_AT = 20;
const MAX_LISTED = 200;
/** Looked at in one go. */
const AT_ONCE = 4;
/** The context of a model when nobody says otherwise, as Ollama's documentation has it. */
const DEFAULT_CONTEXT = 4_096;

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;

/** Servers that do not tell yet have embedding models of BERT's family only. */
function abilitiesIn(shown: Json | undefined): ModelAbilities & { chat: boolean } {
  const { capabilities, details, model_info: info } = shown ?? {};
  const length = Object.entries(asObject(info) ?? {}).find(([name]) => name.endsWith('.context_length'))?.[1];
  const more = isCount(length) ? { contextTokens: length } : {};
  if (!Array.isArray(capabilities)) {
    const embedding = /bert/i.test(asText(asObject(details)?.family) ?? '');
    return { chat: !embedding, embedding, ...more };
  }
  const has = (ability: string) => capabilities.includes(ability);
  return {
    ...{ chat: has('completion'), tools: has('tools'), vision: has('vision'), embedding: has('embedding') },
    ...more,
  };
}

const show = (backend: Backend, model: string, signal: AbortSignal) =>
  askForObject(backend, { model, signal, by: (client) => client.show({ model }) });

/** The names of its models, latest first. Those that it only passes on to another machine are left out. */
async function namesOf(backend: Backend, signal: AbortSignal): Promise<string[]> {
  const models = (await askForObject(backend, { signal, by: (client) => client.list() }))?.models;
  if (!Array.isArray(models)) throw new TaskError('provider_busy', `${backend.name} did not answer like Ollama.`);
  return models.flatMap((entry) => {
    const { name: model, remote_host, remote_model } = asObject(entry) ?? {};
    return typeof model === 'string' && !remote_host && !remote_model ? [model] : [];
  });
}

/** The model that was pulled or made last and can chat. */
export async function latestModel(backend: Backend, signal: AbortSignal): Promise<string> {
  const names = await namesOf(backend, signal);
  for (const name of names.slice(0, MAX_LOOKED_AT))
    if (abilitiesIn(await show(backend, name, signal)).chat) return name;
  const message = `${backend.name} has no model that can chat. On its machine, for example: ollama pull llama3.2`;
  throw new TaskError('provider_not_configured', message);
}

export async function listModels(backend: Backend, signal: AbortSignal): Promise<ModelInfo[]> {
  const names = (await namesOf(backend, signal)).slice(0, MAX_LISTED);
  const models: ModelInfo[] = [];
  for (let at = 0; at < names.length; at += AT_ONCE) {
    const look = async (name: string): Promise<ModelInfo> => {
      const { chat: _, ...abilities } = abilitiesIn(await show(backend, name, signal));
      return { name, ...abilities };
    };
    models.push(...(await Promise.all(names.slice(at, at + AT_ONCE).map(look))));
  }
  return models;
}

/** How much of its context a model is given here: as it is loaded, as it was made, or as Ollama does by itself. */
async function givenContext(
  backend: Backend,
  model: string,
  shown: Json | undefined,
  signal: AbortSignal,
): Promise<number> {
  const made = Number(/^num_ctx\s+(\d+)/m.exec(asText(shown?.parameters) ?? '')?.[1]);
  if (isCount(made)) return made;
  const running = (await askForObject(backend, { signal, by: (client) => client.ps() }))?.models;
  const entry = (Array.isArray(running) ? running : [])
    .map(asObject)
    .find((one) => one?.name === model || one?.name === `${model}:latest`);
  return isCount(entry?.context_length) ? entry.context_length : DEFAULT_CONTEXT;
}

/** What a model can do. Its context is what Ollama gives it, which is often less than it could have. */
export async function describeModel(backend: Backend, model: string, signal: AbortSignal): Promise<ModelAbilities> {
  const shown = await show(backend, model, signal);
  const { chat: _, ...abilities } = abilitiesIn(shown);
  const given = await givenContext(backend, model, shown, signal);
  return { ...abilities, contextTokens: Math.min(given, abilities.contextTokens ?? given) };
}
