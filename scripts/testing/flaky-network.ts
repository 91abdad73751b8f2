/** A network between programs and their Redis, as a TCP proxy: it may be slow, and connections over it may go dead. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TestRedis } from './test-redis.ts';

type Link = { near: Socket; far: Socket };

/** `delayMs` is how long each way takes. `redis` is the given one as it is seen through this network. */
export async function flakyNetwork(redis: TestRedis, { delayMs = 0 } = {}) {
  const links = new Set<Link>();
  const deadNames = new Set<string>();
  /** Whether a client says here that it has one of these names. */
  const namesDead = (chunk: Buffer) => deadNames.values().some((name) => chunk.includes(`\r\n${name}\r\n`));

  function carry(from: Socket, to: Socket, link: Link) {
    from.on('data', (chunk) => {
      if (from === link.near && namesDead(chunk)) deaden(link);
      else if (delayMs === 0) to.write(chunk);
      else setTimeout(() => to.write(chunk), delayMs);
    });
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
  }

  const server = createServer((near) => {
    const far = connect(redis.port, '127.0.0.1');
    const link = { near, far };
    links.add(link);
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      socket.on('close', () => links.delete(link));
    }
    carry(near, far, link);
    carry(far, near, link);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const dead: Link[] = [];

  /** Neither side hears of the other again, nor that it is gone. */
  function deaden(link: Link) {
    links.delete(link);
    dead.push(link);
    for (const socket of [link.near, link.far]) {
      socket.removeAllListeners('data').removeAllListeners('close').removeAllListeners('error');
      socket.on('error', () => undefined);
      socket.resume();
    }
  }

  return {
    redis: { ...redis, url: `redis://127.0.0.1:${port}` },
    /** Makes all connections of now half-open; new ones work. Gives how many they were. */
    deadenAll(): number {
      const now = [...links];
      for (const link of now) deaden(link);
      return now.length;
    },
    /** Makes the connections of this name half-open, and those that will have it until `bury`. Gives how many there were. */
    async deadenNamed(name: string): Promise<number> {
      const clients = (await redis.cli('CLIENT', 'LIST')).split('\n').filter((line) => line.includes(` name=${name} `));
      const ports = new Set(clients.map((line) => Number(/ addr=127\.0\.0\.1:(\d+)/.exec(line)?.[1])));
      const named = [...links].filter(({ far }) => ports.has(far.localPort ?? 0));
      deadNames.add(name);
      for (const link of named) deaden(link);
      return named.length;
    },
    /** Lets Redis forget the dead connections, as its keepalive does in the end. New ones live. */
    bury() {
      deadNames.clear();
      for (const { far } of dead) far.destroy();
    },
    async stop() {
      for (const { near, far } of [...links, ...dead]) {
        near.destroy();
        far.destroy();
      }
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
