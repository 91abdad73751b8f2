/** All providers, the most preferred first. */
import { builtin } from './builtin.ts';
import { ollama } from './ollama/ollama.ts';
import { openai } from './openai/openai.ts';

export const providerCatalog = [openai, ollama, builtin] as const;
