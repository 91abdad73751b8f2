/** Model servers that answer each call as a test says. */
import type { TestContext } from 'node:test';
import { type Dialect, startRaw } from '../../../../../scripts/testing/dialects.ts';

/** A server that answers the n-th call with the n-th of `bodies`, and then with the last. */
export async function answering(
  t: TestContext,
  dialect: Dialect,
  bodies: (string | { status: number; body: string })[],
) {
  const server = await startRaw(t, (response) => {
    const answer = bodies[Math.min(server.requests.length, bodies.length) - 1] ?? '';
    const { status, body } = typeof answer === 'string' ? { status: 200, body: answer } : answer;
    const type = status === 200 ? dialect.contentType : 'application/json';
    response.writeHead(status, { 'content-type': type }).end(body);
  });
  const sent = () => server.requests.map(({ body }) => JSON.parse(body));
  return { provider: dialect.provider(server.url), sent };
}
