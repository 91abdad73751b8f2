/** What a process that ended left to do: messages that are not indexed, and deletions that were begun. */
import { indexInPieces } from './message-index.ts';
import type { Pieces } from './nouns.ts';
import type { Sql } from './schema.ts';
import { deleteInPieces } from './sessions.ts';

/** Of each owner a few at a time would be found again by the next look; there are as many as calls were under way. */
export function leftWork(sql: Sql): { line: string; pieces: Pieces }[] {
  const unindexed = sql.all('SELECT message, owner FROM unindexed');
  const deletions = sql.all('SELECT session, owner FROM deletions');
  return [
    ...unindexed.map(({ message, owner }) => ({
      line: owner as string,
      pieces: indexInPieces(sql, [message as number]),
    })),
    ...deletions.map(({ session, owner }) => ({
      line: owner as string,
      pieces: deleteInPieces(sql, session as number),
    })),
  ];
}
