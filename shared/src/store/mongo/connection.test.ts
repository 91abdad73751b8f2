/** A connection of the driver that ends while it is written to. No MongoDB is needed for it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { type AddressInfo, connect, createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { mendedConnection } from './connection.ts';

/** What is used here of the driver's connection beside what the mended class declares. */
type Commanded = { command(namespace: { db: string }, command: object): Promise<unknown>; closed: boolean };

describe('a command', () => {
  const Mended = mendedConnection();
  const server = createServer((socket) => socket.on('error', () => undefined).resume());
  before(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
  });
  after(() => server.close());

  async function setup(Connection = Mended) {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    const connection = new Connection(socket, { id: 1, hostAddress: { toString: () => 'test' } });
    return { socket, connection, commanded: connection as unknown as Commanded };
  }

  test('written when its socket is destroyed and not yet closed fails, and its connection is closed', async () => {
    const { socket, commanded } = await setup();
    socket.destroy();
    assert.equal(commanded.closed, false);
    await assert.rejects(commanded.command({ db: 'admin' }, { ping: 1 }), { name: 'MongoNetworkError' });
    assert.equal(commanded.closed, true);
  });

  test('of whose write the system takes only a part fails when the connection ends', async () => {
    const { socket, commanded } = await setup();
    const command = commanded.command({ db: 'admin' }, { ping: 'x'.repeat(8_000_000) });
    socket.destroy();
    await assert.rejects(command, { name: 'MongoNetworkError' });
  });

  test('leaves no listener behind once it is written', async () => {
    const accepted = once(server, 'connection');
    const { socket, connection, commanded } = await setup();
    const [far] = await accepted;
    const command = commanded.command({ db: 'admin' }, { ping: 1 });
    await once(far, 'data');
    assert.equal(connection.listenerCount('close'), 0);
    socket.destroy();
    await assert.rejects(command, { name: 'MongoNetworkError' });
  });

  test('of the driver as it is waits for ever: when this fails, upstream is mended, and connection.ts can go', async () => {
    const path = 'mongodb/lib/cmap/connection.js';
    const upstream = createRequire(import.meta.url)(path) as { Connection: typeof Mended };
    const { socket, connection, commanded } = await setup(upstream.Connection);
    socket.destroy();
    let settled = false;
    const settle = () => {
      settled = true;
    };
    commanded.command({ db: 'admin' }, { ping: 1 }).then(settle, settle);
    await once(connection, 'close');
    // All that the end of the connection sets off has run.
    for (let turn = 0; turn < 100; turn++) await nextTurn();
    assert.equal(settled, false);
  });
});
