/** A session to write to. */
import { ownerClient } from '../../testing/owners.ts';
import type { Api } from './flood.ts';

/** The path of a new session's messages. */
export async function newSession({ url }: Api, key: string): Promise<string> {
  const { status, json, text } = await ownerClient(url, key).post('/api/chat/sessions', { title: 'flood' });
  if (status !== 201) throw new Error(`no session was made: ${text}`);
  return `/api/chat/sessions/${json.session.session_id}/messages`;
}
