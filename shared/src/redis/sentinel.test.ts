import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { after, before, type TestContext, test } from 'node:test';
import { Redis, type RedisOptions } from 'ioredis';
import { type SharedRedis, sharedRedis } from '../../../scripts/testing/shared-redis.ts';
import { Connector } from './sentinel.ts';

let master: SharedRedis;
before(async () => {
  master = await sharedRedis();
});
after(() => master.stop());

const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;
const push = (...texts: string[]) => `>3\r\n${texts.map(bulk).join('')}`;

/** Speaks a Sentinel's part. `hold` makes it wait with the address of the master; `announce` tells of a new one. */
async function sentinel(t: TestContext) {
  const sockets = new Set<Socket>();
  const watchers = new Set<Socket>();
  let held: (() => void)[] | undefined;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => watchers.delete(socket));
    socket.on('data', (data) => {
      for (const command of String(data).split(/(?=\*\d+\r\n)/)) answer(socket, command.toLowerCase());
    });
  });
  function answer(socket: Socket, command: string) {
    if (command.includes('get-master-addr-by-name')) {
      const tell = () => socket.write(`*2\r\n${bulk('127.0.0.1')}${bulk(String(master.port))}`);
      if (held) held.push(tell);
      else tell();
      server.emit('asked');
    } else if (command.includes('subscribe')) {
      watchers.add(socket);
      socket.write(`>3\r\n${bulk('subscribe')}${bulk('+switch-master')}:1\r\n`);
      server.emit('watched');
    } else if (command.includes('sentinels')) socket.write('*0\r\n');
    else if (command.includes('hello')) socket.write('%0\r\n');
    else socket.write('+OK\r\n');
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return {
    port: (server.address() as AddressInfo).port,
    asked: () => once(server, 'asked'),
    watched: () => once(server, 'watched'),
    hold() {
      held = [];
    },
    /** Resolves when it was read: whoever hears of it closes the connection it came by. */
    async announce() {
      const read = [...watchers].map((watcher) => once(watcher, 'close'));
      for (const watcher of watchers) watcher.write(push('message', '+switch-master', 'main 127.0.0.1 1 127.0.0.1 2'));
      await Promise.all(read);
    },
    tell() {
      for (const tell of held ?? []) tell();
      held = undefined;
    },
  };
}

const first = (redis: Redis, ...events: string[]) =>
  new Promise<string>((resolve) => {
    for (const event of events) redis.once(event, () => resolve(event));
  });

/** What becomes of a connection that asks for its master when a new one is announced. */
async function searchAtAnnouncement(t: TestContext, options: Pick<RedisOptions, 'Connector'>): Promise<string> {
  const there = await sentinel(t);
  const watched = there.watched();
  const redis = new Redis({
    ...options,
    sentinels: [{ host: '127.0.0.1', port: there.port }],
    name: 'main',
    failoverDetector: true,
    retryStrategy: () => 1,
    sentinelRetryStrategy: () => 1,
  });
  redis.on('error', () => undefined);
  t.after(() => redis.disconnect());
  await Promise.all([first(redis, 'ready'), watched]);
  there.hold();
  const asked = there.asked();
  redis.stream.destroy();
  await asked;
  await there.announce();
  there.tell();
  return first(redis, 'ready', 'end');
}

test('a connection that asks for its master when a new one is announced finds it', async (t) => {
  assert.equal(await searchAtAnnouncement(t, { Connector }), 'ready');
});

// When this fails ioredis is mended, and sentinel.ts may go.
test('one of ioredis alone ends for ever', async (t) => {
  assert.equal(await searchAtAnnouncement(t, {}), 'end');
});
