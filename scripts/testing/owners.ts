/** API keys of a running system, and clients that use them. */
import assert from 'node:assert/strict';
import { createLog } from '@beanline/shared/log.ts';
import type { Scope } from '@beanline/shared/owner.ts';
import { createApiKeys } from '@beanline/shared/owners/api-keys.ts';
import { parseRedisUrl } from '@beanline/shared/redis/address.ts';
import { connect } from '@beanline/shared/redis/connect.ts';
import { createKeys } from '@beanline/shared/redis/keys.ts';
import { chat } from './client.ts';
import { ask } from './raw.ts';

/** Makes and revokes keys as `npm run keys` does. */
export function keyring(redisUrl: string, prefix = 'bl') {
  const log = createLog({ level: 'silent', name: 'test' });
  const redis = connect(parseRedisUrl(redisUrl), { name: 'keys', for: 'worker', log });
  const apiKeys = createApiKeys(redis, createKeys(prefix));
  return {
    async create(owner: string, options: { scopes?: Scope[]; expiresInMs?: number } = {}) {
      const { token, key } = await apiKeys.create({ owner, scopes: ['submit', 'read'], ...options });
      return { token, ...key };
    },
    revoke: apiKeys.revoke,
    count: apiKeys.count,
    close: () => redis.disconnect(),
  };
}

export const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

/** An owner with a key at one API. */
export function ownerClient(url: string, token: string) {
  const call = (method: string, path: string, headers: Record<string, string> = {}, body?: unknown) =>
    ask(`${url}${path}`, {
      method,
      headers: { ...bearer(token), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  return {
    get: (path: string, headers?: Record<string, string>) => call('GET', path, headers),
    post: (path: string, body: unknown, headers?: Record<string, string>) => call('POST', path, headers, body),
    call,
    /** Submits a chat and gives the task id. */
    async submit(content = 'hello', more: Record<string, unknown> = {}): Promise<string> {
      const { status, json, text } = await call('POST', '/api/chat', {}, chat(content, more));
      assert.equal(status, 202, text);
      return json.task_id;
    },
    /** An open event stream. */
    stream: (id: string, signal?: AbortSignal) =>
      fetch(`${url}/tasks/${id}/events`, { headers: bearer(token), ...(signal ? { signal } : {}) }),
  };
}

/** An error answer without what differs from one request to the next. */
export function comparable(answer: { status: number; headers: Headers; text: string }) {
  const head = [...answer.headers].filter(
    ([name]) => name !== 'x-request-id' && name !== 'date' && name !== 'ratelimit',
  );
  const id = answer.headers.get('x-request-id') ?? '';
  return JSON.stringify([answer.status, head, id ? answer.text.replaceAll(id, '') : answer.text]);
}
