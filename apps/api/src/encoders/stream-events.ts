/**
 * One reader's stream of a task's events, written straight to its socket, bounded in memory and time. A reader is a state
 * and a few callbacks, not a loop that awaits: of ten thousand nearly all wait, and an event must not wake so many promises.
 */
import type { ServerResponse } from 'node:http';
import type { Frame } from '@beanline/shared/event.ts';
import type { Pulled } from '@beanline/shared/live/hub.ts';
import type { Api, ApiContext } from '../http/context.ts';
import type { StreamPlace } from '../http/streams.ts';
import { type Channel, type Followed, openArchive } from './event-channel.ts';
import { whenToLeave } from './leaving.ts';
import { comeBack, openReader, STREAM_HEADERS } from './sse.ts';

type Stream = { outgoing: ServerResponse; place: StreamPlace; headers: Record<string, string> };

/** Sends the events of a task as the answer to this request, and gives back the place at the end. Does not wait for it. */
export function streamEvents(
  api: Api,
  c: ApiContext,
  place: StreamPlace,
  task: { id: string; owner: string; archived?: boolean },
  after: string,
  more: Record<string, string> = {},
): void {
  const { outgoing } = c.env;
  c.get('releaseBody')?.();
  const headers = { 'X-Request-Id': c.get('requestId'), ...c.get('headers'), ...STREAM_HEADERS, ...more };
  // A reader that left before this has closed already: nothing would ever tell us again.
  if (outgoing.destroyed) place.close();
  // Without `c`: a stream may be open for long, and holds no more than it needs.
  else {
    const followed = { id: task.id, archived: task.archived ?? false, owner: task.owner };
    void stream(api, { outgoing, place, headers }, followed, after).finally(place.close);
  }
}

/**
 * Streams a task's events after a cursor; resolves when the stream is over. It ends after the terminal event, when the
 * reader leaves or its key is gone, or at an event boundary when the API drains: spread over the drain time, and after a
 * `retry:` that spreads the reconnects too.
 */
function stream(
  { deps, config, drain, answers, room, turns, archive }: Api,
  { outgoing, place: { revoked }, headers }: Stream,
  task: Followed,
  after: string,
): Promise<void> {
  const ended = Promise.withResolvers<void>();
  const { owner } = task;
  const { HEARTBEAT_MS: heartbeatMs } = config;
  const reader = openReader(outgoing, headers, { heartbeatMs, owner, answers, turns }, pump);
  let channel: Channel | undefined;
  let inStore = task.archived;
  let cursor = after;
  let over = false;
  let done = false;
  let leaving = false;
  let stopWaitingToLeave: (() => void) | undefined;
  let stopWaitingForRoom: (() => void) | undefined;

  function close() {
    if (over) return;
    over = true;
    reader.stop();
    stopWaitingForRoom?.();
    stopWaitingToLeave?.();
    channel?.unwait(pump);
    channel?.close();
    ended.resolve();
  }
  function broke(error: unknown) {
    if (over) return;
    // Redis went away: the reader reconnects with its last id.
    deps.log.debug({ error, task_id: task.id }, 'a stream broke');
    outgoing.destroy();
    close();
  }

  /** The task has left Redis: the rest is in the store, or a failover lost it, and the reader learns that when it reconnects. */
  function vanish() {
    if (inStore) {
      close();
      outgoing.end(comeBack());
      return;
    }
    channel?.close();
    inStore = true;
    channel = undefined;
    open();
  }

  /** Writes what there is, until the reader, the task or room for a large event has to be waited for: then it is called again. */
  function pump() {
    while (!over && channel && !reader.isLate()) {
      if (done || leaving) {
        close();
        outgoing.end(done ? undefined : comeBack());
        return;
      }
      const frames = channel.pull(cursor, pump);
      if (frames instanceof Promise) return void frames.then(took, broke);
      if (frames === null) return vanish();
      if (frames.length === 0) return reader.caughtUp();
      if (!write(frames)) return;
    }
  }
  function took(frames: Pulled) {
    if (over) return;
    if (frames === null) return vanish();
    if (frames.length === 0) reader.caughtUp();
    // Without frames the channel wakes it later, unless it has to leave.
    if (frames.length > 0 ? write(frames) : leaving) pump();
  }
  function write(frames: Frame[]): boolean {
    // Of an archived log all is counted already, and would be waited for in vain.
    const lacking = inStore ? 0 : reader.lacking(frames);
    if (lacking > 0) {
      // They are let go, and read anew when readers that do not read have been cut.
      stopWaitingForRoom = room.wait(owner, lacking, pump);
      return leaving;
    }
    const last = frames.at(-1);
    if (last) cursor = last.id;
    done = last?.type === 'done';
    reader.write(frames, inStore);
    return true;
  }

  outgoing.on('close', close);
  outgoing.on('error', close);
  stopWaitingToLeave = whenToLeave({ drain, drainMs: config.DRAIN_MS, revoked }, () => {
    leaving = true;
    if (channel) return pump();
    // The subscription may take long: the reader need not wait for it.
    close();
    outgoing.end(comeBack());
  });
  function open() {
    const opening: Promise<Channel> = inStore ? openArchive(archive, answers, task) : deps.live.follow(task.id);
    opening.then((opened) => {
      channel = opened;
      if (over) opened.close();
      else pump();
    }, broke);
  }
  open();
  return ended.promise;
}
