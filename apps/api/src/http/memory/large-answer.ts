/** Large answers: counted while they are on their way, and written as their reader takes them. */
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { ApiContext } from '../context.ts';
import { COUNTED_BYTES, requireRoom, SLICE_BYTES, SOCKET_BYTES } from './byte-budget.ts';

/** What an answer of so many bytes takes of the system. */
const onSocket = (bytes: number) => Math.min(bytes, SOCKET_BYTES);

/** Whether there is room for an answer of this body, which is text. */
export const hasRoom = (c: ApiContext, body: string): boolean =>
  body.length <= COUNTED_BYTES ||
  c.get('api').answers.passes(c.get('owner'), body.length + onSocket(body.length)) === null;

/**
 * Answers with a body that may be shared with other answers. Throws `unavailable` when readers that do not read hold too much
 * already; but not what answers a large body, which is about as large and is counted until then: its change is made.
 */
export function sendLarge(c: ApiContext, status: number, body: Uint8Array, headers: Record<string, string>): Response {
  const { outgoing } = c.env;
  const { answers, turns } = c.get('api');
  // A public page has no owner.
  const owner = c.get('owner') ?? '';
  const taken = onSocket(body.length);
  if (!c.get('releaseBody')) requireRoom(answers, owner, taken + (answers.isShared(body) ? 0 : body.length));
  // The client has left: nothing would ever tell us again.
  if (outgoing.destroyed) return RESPONSE_ALREADY_SENT;
  outgoing.once('close', answers.share(owner, body, body.length));
  outgoing.once('close', answers.hold(owner, taken).release);
  outgoing.writeHead(status, { ...headers, 'Content-Length': body.length });
  let at = 0;
  const goOn = () => turns(owner, write);
  function write() {
    if (outgoing.destroyed) return;
    const slice = body.subarray(at, at + SLICE_BYTES);
    at += SLICE_BYTES;
    if (at >= body.length) outgoing.end(slice);
    else if (outgoing.write(slice)) goOn();
    else outgoing.once('drain', goOn);
  }
  if (body.length <= SLICE_BYTES) write();
  else goOn();
  return RESPONSE_ALREADY_SENT;
}
