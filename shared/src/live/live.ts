/**
 * Live: what a task says now, carried by sharded pub/sub, so that any number of readers of this process follow it without
 * gap or repeat.
 *
 * Pub/sub may lose messages, the log does not. Each followed task has one channel and one hub. It subscribes before its
 * first read, so nothing falls between. A tail that a lost message hid is found by a check of silent tasks, each once a
 * second, all that are due in one batch.
 */
import type { Frame } from '../event.ts';
import type { Log } from '../log.ts';
import type { RedisConnection } from '../redis/connect.ts';
import type { Keys } from '../redis/keys.ts';
import { partitionOf } from '../task-id.ts';
import { createHints } from './hints.ts';
import { createHub, type Hub, type Pulled } from './hub.ts';
import type { LogReads } from './read-on.ts';

const SILENCE_MS = 1_000;
const CHECK_MS = 250;

/** The promise, or `fallback` as soon as the signal aborts. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal, fallback: T): Promise<T> {
  if (signal.aborted) return Promise.resolve(fallback);
  return new Promise((resolve, reject) => {
    const abort = () => resolve(fallback);
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Gives a function that waits for the frames after a cursor: none when it is aborted or the task is gone. */
function waitFor(reader: ReturnType<Hub['reader']>) {
  return async (cursor: string, signal: AbortSignal): Promise<Frame[]> => {
    while (!signal.aborted) {
      const woken = Promise.withResolvers<void>();
      const pulled = Promise.resolve(reader.pull(cursor, woken.resolve));
      const frames = await orAborted<Pulled>(pulled, signal, []);
      if (frames === null) return [];
      if (frames.length > 0) return frames;
      await orAborted(woken.promise, signal, undefined);
      reader.unwait(woken.resolve);
    }
    return [];
  };
}

type Followed = { hub: Hub; channel: string; subscribed: Promise<unknown> };

export function createLive(options: {
  subscriber: RedisConnection;
  publisher: RedisConnection;
  keys: Keys;
  partitions: number;
  reads: LogReads;
  log: Log;
}) {
  const { subscriber, publisher, keys, partitions, reads, log } = options;
  const followed = new Map<string, Followed>();
  const byChannel = new Map<string, Hub>();
  const hints = createHints({ subscriber, publisher, channel: keys.control });

  subscriber.on('smessage', (channel: string, message: string) => byChannel.get(channel)?.hear(message));
  // After a reconnect anything may have been missed.
  subscriber.on('ready', () => {
    for (const { hub } of followed.values()) hub.doubt();
    hints.missed();
  });

  /** Each by itself: the tasks of a master that is away hold up no others. */
  const checking = new Set<Hub>();
  async function check(hub: Hub) {
    checking.add(hub);
    hub.checked();
    try {
      const [tail] = await reads.lastIds([hub.id]);
      // What the ring ends with is not the newest: without it the readers turn to the log.
      if (hub.waitsElsewhere(tail)) hub.doubt();
    } catch (error) {
      log.debug({ error, task_id: hub.id }, 'the check of a silent task failed');
    } finally {
      checking.delete(hub);
    }
  }
  const silence = setInterval(() => {
    // A subscriber only listens: asked nothing, it would never notice that its connection is half-open.
    if (followed.size > 0 || hints.isHeard()) subscriber.ping().catch(() => undefined);
    for (const { hub } of followed.values()) if (hub.silentMs() > SILENCE_MS && !checking.has(hub)) void check(hub);
  }, CHECK_MS);

  function open(id: string): Followed {
    const p = partitionOf(id, partitions);
    if (p === null) throw new Error(`${id} is not a task id of this data`);
    const channel = keys.live(p, id);
    const opened = { hub: createHub(id, reads), channel, subscribed: subscriber.ssubscribe(channel) };
    opened.subscribed.catch(() => undefined);
    followed.set(id, opened);
    byChannel.set(channel, opened.hub);
    return opened;
  }

  return {
    /**
     * Opens a task for one reader. `pull` and `unwait` are the hub's; `next` waits for the first frame, and gives none
     * when it is aborted or the task is gone.
     */
    async follow(id: string, signal?: AbortSignal) {
      const place = followed.get(id) ?? open(id);
      const { hub, channel } = place;
      const reader = hub.reader();
      hub.readers++;
      let closed = false;
      const close = () => {
        if (closed) return;
        closed = true;
        reader.close();
        hub.readers--;
        if (hub.readers > 0 || followed.get(id) !== place) return;
        followed.delete(id);
        byChannel.delete(channel);
        subscriber.sunsubscribe(channel).catch(() => undefined);
      };

      try {
        await (signal ? orAborted(place.subscribed, signal, null) : place.subscribed);
      } catch (error) {
        close();
        throw error;
      }
      return { next: waitFor(reader), pull: reader.pull, unwait: reader.unwait, close };
    },

    hint: hints.send,
    onHint: hints.listen,

    /** Tasks followed by this process now. */
    size: () => followed.size,

    stop() {
      clearInterval(silence);
      for (const { hub } of followed.values()) hub.wake();
    },
  };
}

export type Live = ReturnType<typeof createLive>;
