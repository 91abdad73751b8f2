/** A task that runs for as long as a test wants. */
import { submit } from './client.ts';
import type { Upstream, UpstreamCall } from './upstream.ts';

/** Its model call is the test's to drive; it is under way. */
export async function heldTask(url: string, upstream: Upstream): Promise<{ id: string; call: UpstreamCall }> {
  upstream.answer = () => undefined;
  const number = upstream.calls.length + 1;
  const id = await submit(url);
  return { id, call: await upstream.call(number) };
}
