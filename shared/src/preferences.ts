/** An owner's preferences: what every call of his sessions is told beside the conversation. */
import type { Deps } from './deps.ts';

export type Preferences = { instructions?: string; language?: string; model?: string };

export async function readPreferences(
  { store }: Pick<Deps, 'store' | 'sessionCache'>,
  owner: string,
): Promise<Preferences> {
  return JSON.parse((await store.settings.get(owner, 'preferences')) ?? '{}');
}
