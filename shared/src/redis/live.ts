/**
 * Live: what a task says now, carried by sharded pub/sub, and the hub that lets any number of readers of this process
 * follow it without gap or repeat.
 *
 * Pub/sub may lose messages, the log does not. Each followed task has one channel with a ring of encoded frames, chained
 * by `prev`. A reader at cursor c takes the frames of the ring that continue c, and waits when c is its newest; when the
 * chain is broken (a message was lost or too large, the reader is slow, it just came) it reads the log instead. It
 * subscribes before its first read, so nothing falls between. A tail that a lost message hid is found by a check of silent
 * tasks, each once a second, all that are due in one batch.
 */
import type { Redis } from 'ioredis';
import { encodeFrame, type Frame } from '../event.ts';
import type { Log } from '../log.ts';
import { partitionOf } from '../task-id.ts';
import type { Keys } from './keys.ts';

const RING_BYTES = 256 * 1024;
/** What one read of the log should give: more events when they are small, fewer when they are large. */
const PAGE_BYTES = 64 * 1024;
const FIRST_PAGE = 16;
const MAX_PAGE = 512;
const SILENCE_MS = 1_000;
const CHECK_MS = 250;

type LogReads = {
  readLog(id: string, after: string, count: number): Promise<Frame[]>;
  lastIds(ids: string[]): Promise<(string | null)[]>;
};

type Hub = {
  id: string;
  name: string;
  subscribed: Promise<unknown>;
  readers: number;
  ring: Frame[];
  ringBytes: number;
  /** When it last said something, or was checked. */
  heardAt: number;
  /** Counts wakes, so that a reader knows whether one came while it read the log. */
  wakes: number;
  /** The readers that wait, and the cursor each has come to. */
  waiters: Map<() => void, string>;
  /** Whether the waiters are being called at the end of this turn. */
  waking: boolean;
  /** Log reads begun since the last wake, shared by the readers at the same cursor. */
  reads: Map<string, Promise<Frame[]>>;
  /** What the ring last gave, and from where: readers at the same cursor share it. */
  given: { cursor: string; frames: Frame[] } | undefined;
};

/** The promise, or `fallback` as soon as the signal aborts. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal, fallback: T): Promise<T> {
  if (signal.aborted) return Promise.resolve(fallback);
  return new Promise((resolve, reject) => {
    const abort = () => resolve(fallback);
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

export function createLive(options: {
  subscriber: Redis;
  publisher: Redis;
  keys: Keys;
  partitions: number;
  reads: LogReads;
  log: Log;
}) {
  const { subscriber, publisher, keys, partitions, reads, log } = options;
  const hubs = new Map<string, Hub>();
  const hints = new Set<(taskId: string | null) => void>();

  function wake(hub: Hub) {
    hub.wakes++;
    // A read that began before may not know what woke us.
    hub.reads.clear();
    hub.given = undefined;
    if (hub.waking) return;
    hub.waking = true;
    // What else is heard in this turn goes along.
    queueMicrotask(() => {
      hub.waking = false;
      const waiters = hub.waiters;
      hub.waiters = new Map();
      for (const resolve of waiters.keys()) resolve();
    });
  }

  function forget(hub: Hub) {
    hub.ring = [];
    hub.ringBytes = 0;
  }

  function hear(hub: Hub, message: string) {
    const end = message.indexOf('\n');
    const [id = '', prev = '', type = '', at = '0'] = (end < 0 ? message : message.slice(0, end)).split(' ');
    if (hub.ring.at(-1)?.id !== prev) forget(hub);
    // `done` is filled from the record, and a large event carries its id only: both are read from the log.
    if (end < 0 || type === 'done') {
      forget(hub);
    } else {
      const frame = encodeFrame(hub.id, { id, prev, type, at: Number(at), data: message.slice(end + 1) });
      hub.ring.push(frame);
      hub.ringBytes += frame.bytes.length;
      while (hub.ringBytes > RING_BYTES && hub.ring.length > 1) hub.ringBytes -= hub.ring.shift()?.bytes.length ?? 0;
    }
    hub.heardAt = performance.now();
    wake(hub);
  }

  const byChannel = new Map<string, Hub>();
  subscriber.on('smessage', (channel: string, message: string) => {
    const hub = byChannel.get(channel);
    if (hub) hear(hub, message);
  });
  subscriber.on('message', (channel: string, message: string) => {
    if (channel === keys.control) for (const hear of hints) hear(message);
  });
  // After a reconnect anything may have been missed.
  subscriber.on('ready', () => {
    for (const hub of hubs.values()) {
      forget(hub);
      wake(hub);
    }
    for (const hear of hints) hear(null);
  });

  let checking = false;
  const silence = setInterval(async () => {
    // A subscriber only listens: asked nothing, it would never notice that its connection is half-open.
    if (hubs.size > 0 || hints.size > 0) subscriber.ping().catch(() => undefined);
    if (checking) return;
    const now = performance.now();
    const silent = [...hubs.values()].filter((hub) => hub.waiters.size > 0 && now - hub.heardAt > SILENCE_MS);
    if (silent.length === 0) return;
    checking = true;
    for (const hub of silent) hub.heardAt = now;
    try {
      const tails = await reads.lastIds(silent.map((hub) => hub.id));
      for (const [index, hub] of silent.entries()) {
        if (!hub.waiters.values().some((cursor) => cursor !== tails[index])) continue;
        // What the ring ends with is not the newest: without it the readers turn to the log.
        forget(hub);
        wake(hub);
      }
    } catch (error) {
      log.debug({ error }, 'the check of silent tasks failed');
    } finally {
      checking = false;
    }
  }, CHECK_MS);

  function open(id: string): Hub {
    const p = partitionOf(id, partitions);
    if (p === null) throw new Error(`${id} is not a task id of this data`);
    const name = keys.live(p, id);
    const hub: Hub = {
      id,
      name,
      subscribed: subscriber.ssubscribe(name),
      readers: 0,
      ring: [],
      ringBytes: 0,
      heardAt: performance.now(),
      wakes: 0,
      waiters: new Map(),
      waking: false,
      reads: new Map(),
      given: undefined,
    };
    hub.subscribed.catch(() => undefined);
    hubs.set(id, hub);
    byChannel.set(name, hub);
    return hub;
  }

  function fromRing(hub: Hub, cursor: string): Frame[] {
    if (hub.given?.cursor === cursor) return hub.given.frames;
    for (let i = hub.ring.length - 1; i >= 0; i--) {
      if (hub.ring[i]?.prev !== cursor) continue;
      hub.given = { cursor, frames: hub.ring.slice(i) };
      return hub.given.frames;
    }
    return [];
  }

  function fromLog(hub: Hub, cursor: string, count: number): Promise<Frame[]> {
    const shared = hub.reads.get(cursor);
    if (shared) return shared;
    const read = reads.readLog(hub.id, cursor, count).finally(() => {
      if (hub.reads.get(cursor) === read) hub.reads.delete(cursor);
    });
    hub.reads.set(cursor, read);
    return read;
  }

  return {
    /**
     * Opens a task for one reader. `pull` gives the frames after a cursor, at once when they are in memory; none: there
     * are no more yet, and `wake` is called, once, when that changes. Readers at the same cursor get the same array.
     * `next` waits for the first frame; it gives none when aborted.
     */
    async follow(id: string, signal?: AbortSignal) {
      const hub = hubs.get(id) ?? open(id);
      hub.readers++;
      let closed = false;
      let page = FIRST_PAGE;
      const close = () => {
        if (closed) return;
        closed = true;
        hub.readers--;
        if (hub.readers > 0 || hubs.get(id) !== hub) return;
        hubs.delete(id);
        byChannel.delete(hub.name);
        subscriber.sunsubscribe(hub.name).catch(() => undefined);
      };

      function pull(cursor: string, wake: () => void): Frame[] | Promise<Frame[]> {
        const live = fromRing(hub, cursor);
        if (live.length > 0) return live;
        if (hub.ring.at(-1)?.id !== cursor) return readOn(cursor, wake);
        hub.waiters.set(wake, cursor);
        return live;
      }

      async function readOn(cursor: string, wake: () => void): Promise<Frame[]> {
        const wakes = hub.wakes;
        const logged = await fromLog(hub, cursor, page);
        if (logged.length > 0) {
          const each = logged.reduce((sum, { bytes }) => sum + bytes.length, 0) / logged.length;
          page = Math.max(1, Math.min(MAX_PAGE, 2 * page, Math.round(PAGE_BYTES / each)));
        } else if (!closed) {
          if (hub.wakes !== wakes) return pull(cursor, wake);
          hub.waiters.set(wake, cursor);
        }
        return logged;
      }

      async function next(cursor: string, signal: AbortSignal): Promise<Frame[]> {
        for (;;) {
          if (signal.aborted) return [];
          const woken = Promise.withResolvers<void>();
          const frames = await orAborted(Promise.resolve(pull(cursor, woken.resolve)), signal, []);
          if (frames.length > 0) return frames;
          await orAborted(woken.promise, signal, undefined);
          hub.waiters.delete(woken.resolve);
        }
      }

      try {
        await (signal ? orAborted(hub.subscribed, signal, null) : hub.subscribed);
      } catch (error) {
        close();
        throw error;
      }
      return {
        next,
        pull,
        /** Forgets a `wake` that was not called yet. */
        unwait: (wake: () => void) => void hub.waiters.delete(wake),
        close,
      };
    },

    /** Tells all runners that a task was cancelled. A lost hint costs time, not truth: the mark is on the record. */
    async hint(id: string): Promise<void> {
      await publisher.publish(keys.control, id);
    },

    /** Calls back with the task of each hint, and with null when hints may have been missed. */
    async onHint(hear: (taskId: string | null) => void): Promise<void> {
      hints.add(hear);
      await subscriber.subscribe(keys.control);
    },

    /** Tasks followed by this process now. */
    size: () => hubs.size,

    stop() {
      clearInterval(silence);
      for (const hub of hubs.values()) wake(hub);
    },
  };
}
