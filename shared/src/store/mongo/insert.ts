/** Inserting what is not there yet: the key decides, and what is there stays as it is. A repeat changes nothing. */
import type { Collection, Document, OptionalUnlessRequiredId } from 'mongodb';
import { duplicatesOf } from './errors.ts';

/** Gives those that were new. */
export async function insertNew<D extends Document>(collection: Collection<D>, documents: D[]): Promise<D[]> {
  if (documents.length === 0) return [];
  try {
    await collection.insertMany(documents as OptionalUnlessRequiredId<D>[], { ordered: false });
    return documents;
  } catch (error) {
    const known = duplicatesOf(error);
    if (known === undefined) throw error;
    return documents.filter((_, i) => !known.includes(i));
  }
}
