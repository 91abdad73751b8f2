/** Cuts answers whose readers take nothing, of every route: what was written for them is memory that others need. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ActiveSet } from '@beanline/shared/active-set.ts';

/** Looks at an answer within the timeout. Looks are counted, not time: a process that stood still took nobody's answer. */
const LOOKS = 8;

type Stalled = { taken: number; looks: number };

/** Looks at the answers under way until it is stopped. Progress is a whole write that its reader has taken. */
export function cutStalled(underWay: ActiveSet<ServerResponse>, timeoutMs: number): () => void {
  let stalled = new Map<Socket, Stalled>();
  const timer = setInterval(() => {
    const before = stalled;
    stalled = new Map();
    for (const { socket } of underWay.members()) {
      // Without one it waits behind another answer on the same connection.
      if (!socket || socket.writableLength === 0) continue;
      const taken = socket.bytesWritten - socket.writableLength;
      const known = before.get(socket);
      const looks = known?.taken === taken ? known.looks + 1 : 0;
      if (looks >= LOOKS) socket.destroy();
      else stalled.set(socket, { taken, looks });
    }
  }, timeoutMs / LOOKS).unref();
  return () => clearInterval(timer);
}
