/** Bounds the searches of each owner, so that they do not stop another one's. */
import { createOwnerLines, IN_LINE } from '../owners/lines.ts';
import type { Store } from '../store.ts';

/** Of one owner in one process. SQLite does one search after another, so a second one would only delay those of other owners. */
const AT_ONCE = { sqlite: 1, mongo: 2 };

/** `waitMs`: longest wait of a search for those before it. */
export const createSearchLines = ({ kind }: Pick<Store, 'kind'>, waitMs: number) =>
  createOwnerLines({ atOnce: AT_ONCE[kind], inLine: IN_LINE, waitMs });
