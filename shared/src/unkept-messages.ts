/** Messages of ended tasks that the store does not have yet: readers show them at once. Oldest first. */
import type { Deps } from './deps.ts';
import type { Message } from './session.ts';

export async function unkeptMessages(_deps: Deps, _owner: string, _sessionId: string): Promise<Message[]> {
  return [];
}
