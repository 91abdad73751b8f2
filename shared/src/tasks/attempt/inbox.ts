/**
 * The inbox as an attempt sees it. What was taken at a place of the work belongs to that place for good: a later attempt finds it
 * there, and takes nothing more where the step of that place is finished. So every message that was taken stands before exactly
 * one step, in every attempt.
 *
 * Scripts that an attempt calls anyway say whether something is unread. While nothing is, taking costs no call.
 */
import { AttemptStop, type InboxMessage } from '../../context.ts';
import type { AttemptRef, TakenMessages } from '../../record/task-verdicts.ts';
import type { Tasks } from '../../record/tasks.ts';
import { orUnavailable } from '../../redis/away.ts';
import type { AttemptLog, Unread } from './log.ts';
import { checkKey, type Steps } from './steps.ts';

export function createInbox(
  { tasks }: { tasks: Tasks },
  attempt: {
    ref: AttemptRef;
    /** How many messages the task had been sent when the attempt began. */
    messages: number;
    keptAttempt: number;
    unread: Unread;
    steps: Pick<Steps, 'isFinished' | 'isTaken' | 'isOver'>;
    tell: AttemptLog['tell'];
    signal: AbortSignal;
    stop(reason: Error): void;
  },
) {
  const { ref, unread, steps, signal } = attempt;
  const used = new Set<string>();
  let earlier: Promise<Map<string, TakenMessages>> | undefined;
  /** The handler was about to end: what waited for that is taken now. */
  let ending = false;

  /** What earlier attempts took at places that this one has not come to. */
  function ahead(): Promise<Map<string, TakenMessages>> {
    const none = ref.attempt === 1 || attempt.messages === 0;
    earlier ??= none ? Promise.resolve(new Map()) : orUnavailable(tasks.takenMessages(ref.id));
    return earlier;
  }

  function stopped(kind: AttemptStop['kind']): AttemptStop {
    const reason = new AttemptStop(kind);
    attempt.stop(reason);
    return reason;
  }

  async function tell(messages: InboxMessage[]) {
    for (const { id, mode } of messages) await attempt.tell('steered', { message_id: id, mode });
  }

  async function take(key: string): Promise<InboxMessage[]> {
    const before = await ahead();
    const found = before.get(key);
    if (found) {
      before.delete(key);
      ending = false;
      // Readers were told to drop that it was taken, as with what a step has shown.
      if (found.attempt > attempt.keptAttempt && found.attempt < ref.attempt) await tell(found.messages);
      return found.messages;
    }
    if (!ending && unread.steers === 0) return [];
    if (await steps.isFinished(key)) return [];
    const reply = await orUnavailable(tasks.takeMessages(ref, key, ending ? 'all' : 'steer'));
    if (reply.verdict !== 'taken') throw stopped(reply.verdict);
    ending = false;
    unread.steers = 0;
    await tell(reply.messages);
    return reply.messages;
  }

  return {
    async inbox(key: string): Promise<InboxMessage[]> {
      checkKey(key);
      if (used.has(key)) throw new Error(`The messages for the step ${key} were taken twice in one attempt.`);
      if (steps.isTaken(key)) throw new Error(`The messages for the step ${key} are to be taken before it.`);
      if (steps.isOver()) throw new Error(`The attempt has ended: it takes no messages for the step ${key}.`);
      used.add(key);
      signal.throwIfAborted();
      return take(key);
    },

    async closeInbox(): Promise<boolean> {
      signal.throwIfAborted();
      const verdict = (await ahead()).size > 0 ? 'open' : await orUnavailable(tasks.closeInbox(ref));
      if (verdict === 'superseded' || verdict === 'cancelled') throw stopped(verdict);
      ending = verdict === 'open';
      return !ending;
    },
  };
}
