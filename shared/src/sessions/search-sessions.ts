/**
 * Lists an owner's sessions, or searches them: in titles and in what was said, the same over every store. A search looks at a
 * bounded number of matches, the newest first; when there are more it says that its total is not exact.
 */

import type { OwnerLines } from '../owners/lines.ts';
import type { Session } from '../session.ts';
import type { Store } from '../store.ts';
import { MAX_COUNTED, type SessionFilter, type SessionSort } from '../store.ts';

/** Matching messages, and matching titles, that one search looks at. */
export const MAX_MATCHES = 1_000;
/** Sessions read at once to be ranked. */
const CHUNK = 250;

export type SessionSearch = {
  query: string | undefined;
  filter: Omit<SessionFilter, 'ids'>;
  /** `relevance` only with a query: a matching title first, then the more matching messages, then the later change. */
  sort: SessionSort | 'relevance';
  limit: number;
  skip: number;
};
export type FoundSessions = { sessions: Session[]; total: number; isExact: boolean };

export async function searchSessions(
  { store, searchLines }: { store: Store; searchLines: OwnerLines },
  owner: string,
  { query, filter, sort, limit, skip }: SessionSearch,
): Promise<FoundSessions> {
  const by = sort === 'relevance' ? 'updated_at' : sort;
  if (query === undefined) {
    const { sessions, total } = await store.sessions.list(owner, filter, { sort: by, limit, skip });
    return { sessions, total, isExact: total < MAX_COUNTED };
  }

  const [said, titled] = await searchLines.run(owner, () =>
    Promise.all([store.messages.matching(owner, query, MAX_MATCHES), store.sessions.titled(owner, query, MAX_MATCHES)]),
  );
  const isExact = said.length < MAX_MATCHES && titled.length < MAX_MATCHES;
  const counts = new Map(titled.map((id) => [id, 0]));
  for (const { sessionId } of said) counts.set(sessionId, (counts.get(sessionId) ?? 0) + 1);
  const ids = [...counts.keys()];
  if (ids.length === 0) return { sessions: [], total: 0, isExact };
  if (sort !== 'relevance') {
    const { sessions, total } = await store.sessions.list(owner, { ...filter, ids }, { sort, limit, skip });
    return { sessions, total, isExact };
  }

  const hasTitle = new Set(titled);
  const ranked: Ranked[] = [];
  for (let from = 0; from < ids.length; from += CHUNK) {
    const some = ids.slice(from, from + CHUNK);
    const page = { sort: by, limit: some.length, skip: 0 };
    const { sessions } = await store.sessions.list(owner, { ...filter, ids: some }, page);
    for (const { id, updatedAt } of sessions) {
      ranked.push({ id, updatedAt, titled: hasTitle.has(id), count: counts.get(id) ?? 0 });
    }
  }
  const wanted = ranked
    .sort(byRelevance)
    .slice(skip, skip + limit)
    .map(({ id }) => id);
  const place = new Map(wanted.map((id, index) => [id, index]));
  const { sessions } =
    wanted.length === 0
      ? { sessions: [] }
      : await store.sessions.list(owner, { ids: wanted }, { sort: by, limit: wanted.length, skip: 0 });
  sessions.sort((a, b) => (place.get(a.id) ?? 0) - (place.get(b.id) ?? 0));
  return { sessions, total: ranked.length, isExact };
}

type Ranked = { id: string; updatedAt: number; titled: boolean; count: number };

const byRelevance = (a: Ranked, b: Ranked) =>
  Number(b.titled) - Number(a.titled) || b.count - a.count || b.updatedAt - a.updatedAt || (a.id < b.id ? 1 : -1);
