/** Every call of a collection, for the tests that look at what is sent to MongoDB. */
import { z } from 'zod';
import type { Store } from '../../../store.ts';
import { defineCollection } from '../../collection.ts';

const samples = defineCollection({
  name: 'samples',
  schema: z.object({
    text: z.string(),
    source: z.object({ size: z.int() }),
    hidden: z.boolean(),
    at: z.int().nullable(),
    held: z.record(z.string(), z.string()),
  }),
  indexes: [['text', 'source.size'], ['hidden']],
  retention: { field: 'at', days: 1 },
  owner: 'required',
});

/** With one text in every place that a client's may be. */
export async function everyCallOf(store: Store, owner: string, text: string): Promise<void> {
  const collection = store.collection(samples);
  const document = { text, source: { size: 5 }, hidden: true, at: null, held: { [text]: text } };
  await collection.put(owner, text, document);
  await collection.put(owner, `${text}2`, { ...document, at: 1 });
  await collection.insert(owner, text, document);
  await collection.update(owner, text, (found) => ({ ...found, hidden: false }));
  await collection.get(owner, text);
  for (const descending of [false, true]) {
    for (const page of [
      {},
      { where: { hidden: true } },
      { where: { text, 'source.size': 5 } },
      { where: { text }, by: 'source.size' },
      { where: { text }, by: 'source.size', from: 1, below: 9 },
    ] as const) {
      const { next } = await collection.list(owner, { ...page, descending, limit: 1 });
      if (next !== null) await collection.list(owner, { ...page, descending, limit: 1, cursor: next });
      await collection.count(owner, page);
    }
  }
  await collection.delete(owner, text);
}
