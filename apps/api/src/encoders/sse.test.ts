import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { encodeFrame, type Frame } from '@beanline/shared/event.ts';
import { rawGet } from '../../../../scripts/testing/raw.ts';
import { createByteBudget, SLICE_BYTES, SOCKET_BYTES } from '../http/memory/byte-budget.ts';
import { createTurns } from '../http/turns/turns.ts';
import { openReader } from './sse.ts';

const MiB = 1024 * 1024;
const text = (number: number, length: number): Frame =>
  encodeFrame('task_1', {
    ...{ id: `1-${number}`, prev: `1-${number - 1}`, type: 'text', at: 0 },
    data: JSON.stringify({ content: 'x'.repeat(length) }),
  });

/** One reader that reads, and what its server has for it. */
async function reader(t: TestContext) {
  const answers = createByteBudget({ owner: MiB, all: 2 * MiB });
  const turns = createTurns();
  const { promise, resolve } = Promise.withResolvers<ServerResponse>();
  const server = createServer((_request, response) => resolve(response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const connection = rawGet((server.address() as AddressInfo).port, '/');
  const outgoing = await promise;
  let goneOn = 0;
  const stream = openReader(outgoing, {}, { heartbeatMs: 60_000, owner: 'anna', answers, turns }, () => goneOn++);
  t.after(() => {
    stream.stop();
    connection.close();
    server.close();
  });
  return { answers, connection, outgoing, stream, goneOn: () => goneOn };
}

test('a large event is written in turns, and counted until its reader has caught up', async (t) => {
  const { answers, connection, outgoing, stream, goneOn } = await reader(t);
  const { socket } = outgoing;
  assert.ok(socket);
  stream.write([text(1, 2 * MiB)], false);
  let before = socket.bytesWritten;
  while (stream.isLate()) {
    assert.ok(answers.bytes() >= 2 * MiB + SOCKET_BYTES);
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(socket.bytesWritten - before <= SLICE_BYTES + 100, `${socket.bytesWritten - before} bytes`);
    before = socket.bytesWritten;
  }
  assert.equal(goneOn(), 1);
  assert.equal(answers.bytes(), SOCKET_BYTES);
  stream.caughtUp();
  assert.equal(answers.bytes(), 0);
  stream.stop();
  outgoing.end();
  await connection.has(/x{2097152}/);
});

test('small events are written at once, and count nothing', async (t) => {
  const { answers, connection, outgoing, stream, goneOn } = await reader(t);
  stream.write([text(1, 10), text(2, 10)], false);
  assert.equal(stream.isLate(), false);
  assert.equal(goneOn(), 0);
  assert.equal(answers.bytes(), 0);
  stream.stop();
  outgoing.end();
  await connection.has(/1-1[\s\S]*1-2/);
});

test('a reader that has to wait for room holds none meanwhile', async (t) => {
  const { answers, outgoing, stream } = await reader(t);
  const page = Array.from({ length: 40 }, (_, index) => text(index + 1, 1_000));
  stream.write(page, false);
  while (stream.isLate()) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(answers.bytes(), SOCKET_BYTES);
  const others = answers.hold('anna', MiB - SOCKET_BYTES);
  // What follows small events needs no more room; a large one does.
  assert.equal(stream.lacking(page), 0);
  const large = [text(41, 100_000)];
  assert.equal(stream.lacking(large), SOCKET_BYTES + (large[0]?.bytes.length ?? 0));
  assert.equal(answers.bytes(), others.bytes());
  stream.stop();
  outgoing.end();
});
