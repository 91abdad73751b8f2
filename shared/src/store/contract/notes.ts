/** The stored noun that tests put, get and delete where any would do: the text of a note. */
import { z } from 'zod';
import type { Store } from '../../store.ts';
import { defineCollection } from '../collection.ts';

const noteCollection = defineCollection({
  name: 'notes',
  schema: z.object({ text: z.string() }),
  indexes: [['text']],
  retention: null,
  owner: 'required',
});

export function notes(store: Store) {
  const collection = store.collection(noteCollection);
  return {
    get: async (owner: string, id: string) => (await collection.get(owner, id))?.text ?? null,
    put: (owner: string, id: string, text: string) => collection.put(owner, id, { text }),
    delete: (owner: string, id: string) => collection.delete(owner, id),
    /** Of all pages. */
    async ids(owner: string, limit: number): Promise<string[][]> {
      const pages: string[][] = [];
      for (let cursor: string | null = null; ; ) {
        const { found, next } = await collection.list(owner, { limit, cursor });
        pages.push(found.map(({ id }) => id));
        if (next === null) return pages;
        cursor = next;
      }
    },
    withText: async (owner: string, text: string) =>
      (await collection.list(owner, { where: { text }, limit: 100 })).found.map(({ id }) => id),
  };
}
