/**
 * The thread that writes. Owners take turns (lines.ts), and what waits is written together, as one transaction and so one flush
 * of the disk. What takes long is done in pieces: each is a transaction of its own, in which nobody else's write waits, and
 * after each the thread rests as long as it took, so that other processes come to write.
 */
import { createLines } from './lines.ts';
import { type Call, now, type Pieces, type Reply } from './nouns.ts';
import { type TransactionDeps, transact, type Work } from './transaction.ts';

/** After this long a transaction takes no more calls, so that the first does not wait for the last. */
const GROUP_MS = 20;
const MAX_REST_MS = 50;

type WriterDeps = TransactionDeps & {
  /** What those who died left to do. */
  left(): { line: string; pieces: Pieces }[];
  post(reply: Reply): void;
  /** A call that came while this thread was at work. */
  nextCall(): Call | undefined;
};

export function createWriter(deps: WriterDeps) {
  const lines = createLines<Work>();
  /** At first, and when a failure of ours may have left it. */
  let lookForLeft = true;
  let resting: NodeJS.Timeout | undefined;
  let ending = false;
  const isReady = ({ pieces }: Work) => resting === undefined || pieces === undefined;

  const add = (call: Call) => lines.add({ line: call.line, call, answered: false });
  function addWaiting() {
    for (let call = deps.nextCall(); call; call = deps.nextCall()) add(call);
  }

  /** Only calls that wait for an answer stay as they are: all else is found. */
  function addLeft() {
    for (const work of lines.clear()) if (work.call && !work.answered) lines.add(work);
    for (const { line, pieces } of deps.left()) lines.add({ line, pieces, answered: true });
    lookForLeft = false;
  }

  /** Works whose turn it is, as one transaction. Gives whether it was a piece. */
  function writeTogether(): boolean {
    const since = now();
    let alone = false;
    const done = transact(deps, (works) => {
      if (alone) return undefined;
      if (lookForLeft) addLeft();
      addWaiting();
      const work = lines.first(isReady);
      // A piece stands alone: what was written before is acknowledged first.
      if (!work || (works.length > 0 && (work.pieces !== undefined || now() - since >= GROUP_MS))) return undefined;
      lines.take(work);
      alone = work.pieces !== undefined;
      return work;
    });
    if ('error' in done) fail(done);
    else {
      for (const { work, reply, isDone } of done.steps) {
        if (reply) {
          work.answered = true;
          deps.post(reply);
        }
        if (!isDone) lines.goOn(work);
      }
    }
    return alone;
  }

  function fail({ failed, error }: { failed: Work[]; error: unknown }) {
    lookForLeft = true;
    // Nothing was begun: the next one is told, and the others try for themselves.
    const next = failed.length > 0 ? undefined : lines.first(isReady);
    if (next) lines.take(next);
    for (const { call, answered } of next ? [next] : failed) {
      if (call && !answered) deps.post(deps.failure(call, error));
    }
  }

  function work() {
    addWaiting();
    while (lines.first(isReady)) {
      const since = now();
      if (writeTogether() && !ending) rest(now() - since);
    }
  }

  function rest(ms: number) {
    const begin = () => {
      resting = undefined;
      work();
    };
    resting = setTimeout(begin, Math.min(ms, MAX_REST_MS));
  }

  return {
    write(call: Call) {
      add(call);
      work();
    },

    /** Ends the calls that wait; of what was answered already the rest is left to the next one that comes. */
    end() {
      ending = true;
      clearTimeout(resting);
      resting = undefined;
      for (const one of lines.clear()) if (!one.answered) lines.add(one);
      work();
    },
  };
}
