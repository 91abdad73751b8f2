/** What ended tasks leave in Redis, read whole for the store. Of any owner: only the relay reads here. */

import type { RedisConnection } from '../redis/connect.ts';
import type { Keys } from '../redis/keys.ts';
import type { ArchivedTask } from '../store.ts';
import { isEnd } from '../task.ts';
import { FIELDS, toLogEntry, toRecord } from './reads/stored-task.ts';
import { createTranscript } from './transcript.ts';

/** Entries read at once; text comes in pieces of 64 kB at most. */
const PAGE = 64;

type Bounds = { maxInputBytes: number; maxEventBytes: number };

/** The hash of the Idempotency-Key that made it, and of what it asked for; nothing without one. */
function idempotencyOf(key: string | null | undefined, claim: string | null): Pick<ArchivedTask, 'idempotency'> {
  const hash = key?.split(':').at(-1);
  const fingerprint = claim?.split(':')[0];
  return hash && fingerprint ? { idempotency: { hash, fingerprint } } : {};
}

export function createEndedTasks(redis: RedisConnection, keys: Keys) {
  async function transcript(p: number, id: string, maxBytes: number) {
    const kept = createTranscript(maxBytes);
    for (let after = '-'; ; ) {
      const rows = await redis.xrange(keys.log(p, id), after, '+', 'COUNT', PAGE);
      kept.add(rows.map(toLogEntry));
      const last = rows.at(-1);
      if (!last || rows.length < PAGE) return kept.entries();
      after = `(${last[0]}`;
    }
  }

  return {
    /** The bytes that each would take to load, at most, without its events; 0 of one that is gone. */
    sizes(p: number, ids: string[], { maxInputBytes }: Pick<Bounds, 'maxInputBytes'>): Promise<number[]> {
      return Promise.all(
        ids.map(async (id) => {
          const [input, output] = await Promise.all([
            redis.hget(keys.task(p, id), 'input_bytes'),
            redis.hstrlen(keys.task(p, id), 'output'),
          ]);
          return Math.min(Number(input), maxInputBytes) + output;
        }),
      );
    },

    /** The task with all it leaves; null when it is gone, or has not ended (a failover lost its end). */
    async load(p: number, id: string, { maxInputBytes, maxEventBytes }: Bounds): Promise<ArchivedTask | null> {
      const names = [...FIELDS, 'timeout_ms', 'input_bytes', 'idem_key'];
      const values = await redis.hmget(keys.task(p, id), ...names);
      const record = toRecord(id, names, values);
      if (!record || !isEnd(record.status)) return null;
      const [timeoutMs = 0, inputBytes = 0] = values.slice(FIELDS.length).map(Number);
      const idemKey = values.at(-1);
      const [input, events, claim] = await Promise.all([
        inputBytes > maxInputBytes ? null : redis.get(keys.input(p, id)),
        transcript(p, id, maxEventBytes),
        idemKey ? redis.get(idemKey) : null,
      ]);
      // Without its end the log may have gone meanwhile, and the record with it: then the store has the task.
      if (events.at(-1)?.type !== 'done' && (await redis.exists(keys.task(p, id))) === 0) return null;
      return { record, input, timeoutMs, events, ...idempotencyOf(idemKey, claim) };
    },
  };
}

export type EndedTasks = ReturnType<typeof createEndedTasks>;
