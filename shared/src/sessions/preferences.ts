/** An owner's preferences: what the model is told in every session of the owner. */

import { z } from 'zod';
import { defineCollection } from '../store/collection.ts';
import type { Store } from '../store.ts';
import { textOf } from '../text.ts';
import type { SessionCache } from './cache.ts';

export const Preferences = z
  .strictObject({
    instructions: textOf(1, 4_000).optional().meta({ description: 'What the model is told before every conversation' }),
    language: z
      .string()
      .regex(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/, 'must be a language tag, such as en or ko-KR')
      .max(35)
      .optional()
      .meta({ description: 'The language of answers, as a BCP 47 tag', examples: ['ko-KR'] }),
    model: textOf(1, 200).optional().meta({ description: 'The model of sessions that name none' }),
  })
  .meta({
    id: 'Preferences',
    examples: [{ instructions: 'Answer in one sentence.', language: 'en', model: 'builtin/extract' }],
  });
export type Preferences = z.infer<typeof Preferences>;

/** One of each owner. */
export const preferences = defineCollection({
  name: 'preferences',
  schema: Preferences,
  indexes: [],
  retention: null,
  owner: 'required',
});
export const PREFERENCES_ID = 'own';

type Needs = { store: Store; sessionCache: SessionCache };

/** Preferences as JSON text, `{}` where nothing was said, and whether they came from the cache. Throws `unavailable`. */
export async function cachedPreferences({ store, sessionCache }: Needs, owner: string) {
  const { json, hit } = await sessionCache.preferences(owner, async () =>
    JSON.stringify((await store.collection(preferences).get(owner, PREFERENCES_ID)) ?? {}),
  );
  return { json: json ?? '{}', hit };
}

export async function readPreferences(deps: Needs, owner: string): Promise<Preferences> {
  return JSON.parse((await cachedPreferences(deps, owner)).json);
}

/** Replaces all of them; null forgets them. */
export async function writePreferences(
  { store, sessionCache }: Needs,
  owner: string,
  wanted: Preferences | null,
): Promise<void> {
  if (wanted === null) await store.collection(preferences).delete(owner, PREFERENCES_ID);
  else await store.collection(preferences).put(owner, PREFERENCES_ID, wanted);
  await sessionCache.preferencesChanged(owner);
}
