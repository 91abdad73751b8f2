/** What is left of the body of a request that is refused. */
import type { IncomingMessage } from 'node:http';
import type { Turns } from './turns.ts';

/**
 * Reads and drops it, a piece in a turn, in no hurry: a flood of large bodies that are refused would be the more to read, the
 * faster it is refused. The adapter cuts the connection when it takes half a second.
 */
export function dropRest(incoming: IncomingMessage, owner: string, drops: Turns): void {
  if (incoming.complete) return;
  const goOn = () => incoming.resume();
  incoming.on('data', () => {
    incoming.pause();
    drops(owner, goOn);
  });
}
