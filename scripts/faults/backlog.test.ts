import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { startSystem } from '../testing/system.ts';

const AT_ONCE = 1_200;

/** Connections that this system lets wait, whatever a program asks for. */
function allowed(): number {
  try {
    return Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'));
  } catch {
    return 0;
  }
}

test('of connections that come at once while the API is busy none is lost', {
  skip: allowed() <= AT_ONCE && 'this system lets fewer wait',
}, async (t) => {
  const system = await startSystem({ runners: 0, relays: 0 });
  t.after(() => system.stop());
  const [api] = system.apis;
  assert.ok(api);
  await api.signal('SIGSTOP');
  const sockets = Array.from({ length: AT_ONCE }, () => connect(Number(new URL(system.url).port), '127.0.0.1'));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  // One that is dropped would never be made, for as long as the API stands.
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  await api.signal('SIGCONT');
  const last = sockets.at(-1);
  last?.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
  assert.ok(last);
  assert.match(String((await once(last, 'data'))[0]), /^HTTP\/1.1 200/);
});
