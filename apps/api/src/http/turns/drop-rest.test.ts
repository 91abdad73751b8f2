import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { rawConnection } from '../../../../../scripts/testing/raw.ts';
import { dropRest } from './drop-rest.ts';

const BODY_BYTES = 1_000_000;
const loopTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('of a body that is refused one piece is read in a turn, and all of it in the end', async (t) => {
  const { promise, resolve } = Promise.withResolvers<IncomingMessage>();
  const server = createServer(resolve).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const connection = rawConnection((server.address() as AddressInfo).port);
  t.after(() => {
    connection.close();
    server.close();
  });
  connection.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${BODY_BYTES}\r\n\r\n${'x'.repeat(BODY_BYTES)}`);
  const incoming = await promise;
  const turns: (() => void)[] = [];
  let bytes = 0;
  let pieces = 0;
  dropRest(incoming, 'anna', (owner, goOn) => {
    assert.equal(owner, 'anna');
    turns.push(goOn);
  });
  incoming.on('data', (piece: Buffer) => {
    bytes += piece.length;
    pieces++;
  });
  while (bytes < BODY_BYTES) {
    const before = pieces;
    turns.pop()?.();
    while (pieces === before) await loopTurn();
    for (let i = 0; i < 5; i++) await loopTurn();
    assert.equal(pieces, before + 1);
    assert.equal(turns.length, 1);
  }
  assert.equal(bytes, BODY_BYTES);
});
