/** Sessions of a running system, as clients use them. */
import assert from 'node:assert/strict';
import { ask } from './raw.ts';

export const SESSIONS = '/api/chat/sessions';

/** A client of one API; `headers` go with every request. */
export function sessionClient(url: string, headers: Record<string, string> = {}) {
  const call = (method: string, path: string, body?: unknown, more: Record<string, string> = {}) =>
    ask(`${url}${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers, ...more },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  return {
    call,
    get: (path = '', more?: Record<string, string>) => call('GET', `${SESSIONS}${path}`, undefined, more),
    /** Makes one and gives its id. */
    async create(body: unknown = {}): Promise<string> {
      const { status, json, text } = await call('POST', SESSIONS, body);
      assert.equal(status, 201, text);
      return json.session.session_id;
    },
    /** Adds a message and gives its id. */
    async say(id: string, content: unknown, more: object = {}): Promise<string> {
      const { status, json, text } = await call('POST', `${SESSIONS}/${id}/messages`, {
        role: 'user',
        content,
        ...more,
      });
      assert.equal(status, 201, text);
      return json.message.message_id;
    },
  };
}

export const UNKNOWN_SESSION = `sess_${'0'.repeat(24)}1`;
