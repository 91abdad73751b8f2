/** The scripts of a task's inbox: what clients send to it, and what an attempt takes of that. */
import type { InboxMessage } from '../context.ts';
import type { RedisConnection } from '../redis/connect.ts';
import type { Run } from './scripts.ts';
import type { TaskKeys } from './task-keys.ts';
import type { AttemptRef, MessageVerdict, NewMessage, TakenMessages, TakeVerdict } from './task-verdicts.ts';

/** `n|mode|attempt|id|at|fingerprint`, a line of the place, a line of the content. */
const STORED = /^(\d+)\|(steer|follow_up)\|(\d+)\|([^|]*)\|(\d+)\|[^\n]*\n([^\n]*)\n([^\n]*)$/;

type Stored = { n: number; attempt: number; place: string; message: InboxMessage };

function toStored(text: string): Stored {
  const [, n, mode, attempt, id = '', at, place = '', content = 'null'] = STORED.exec(text) ?? [];
  const message = { id, mode: mode as InboxMessage['mode'], content: JSON.parse(content), at: Number(at) };
  return { n: Number(n), attempt: Number(attempt), place: place === '' ? '' : JSON.parse(place), message };
}

/** A place of the work as the inbox names it: the key of its step, on one line. */
export const placeOf = (key: string) => JSON.stringify(key);

export function createInboxScripts(
  redis: RedisConnection,
  run: Run,
  { taskKeys, limits }: { taskKeys: TaskKeys; limits: { maxMessages: number; maxMessagesBytes: number } },
) {
  async function inbox(ref: AttemptRef, what: 'take' | 'close', place = '', which: 'steer' | 'all' = 'all') {
    const keys = taskKeys(ref.id);
    return run('inbox', [...keys.common, keys.inbox], [ref.id, ref.attempt, ref.fence, what, place, which]);
  }

  return {
    /** Sends a message to a task. */
    async message(id: string, message: NewMessage): Promise<MessageVerdict> {
      const keys = taskKeys(id);
      const { nonce, id: messageId, fingerprint, mode, content, notAfter } = message;
      const args = [id, nonce, messageId, fingerprint, mode, content, limits.maxMessages, limits.maxMessagesBytes];
      const [verdict, what] = await run('message', [...keys.common, keys.inbox], [...args, notAfter]);
      if (verdict === 'accepted') return { verdict, id: String(what) };
      if (verdict === 'closed') return { verdict, why: String(what) };
      if (verdict === 'full') return { verdict, what: what as 'messages' | 'bytes' };
      return { verdict: verdict as 'unknown' | 'differs' | 'late' };
    },

    /**
     * Takes unread messages at a place of the work, in the order in which they came: those that are to steer it, or all. A
     * place that has some already takes no others.
     */
    async takeMessages(ref: AttemptRef, place: string, which: 'steer' | 'all'): Promise<TakeVerdict> {
      const [verdict, ...found] = await inbox(ref, 'take', placeOf(place), which);
      if (verdict !== 'taken') return { verdict: verdict as 'superseded' | 'cancelled' };
      return { verdict, messages: found.map((text) => toStored(String(text)).message) };
    },

    /** From now on it takes no message; `open` when there is an unread one. */
    async closeInbox(ref: AttemptRef): Promise<'closed' | 'open' | 'superseded' | 'cancelled'> {
      const [verdict] = await inbox(ref, 'close');
      return verdict as 'closed' | 'open' | 'superseded' | 'cancelled';
    },

    /** What was taken so far, by its place. */
    async takenMessages(id: string): Promise<Map<string, TakenMessages>> {
      const all = (await redis.hvals(taskKeys(id).inbox)).map(toStored);
      const taken = all.filter(({ attempt }) => attempt > 0).sort((a, b) => a.n - b.n);
      const places = Map.groupBy(taken, ({ place }) => place);
      return new Map(
        [...places].map(([place, of]) => [
          place,
          { attempt: of[0]?.attempt ?? 0, messages: of.map(({ message }) => message) },
        ]),
      );
    },
  };
}
