/**
 * A network between a store and its MongoDB, as a TCP proxy: slow, also for some commands alone, away, or cut at a chosen
 * one. Commands are counted as the driver sends them, without those by which it watches the server.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Sent by the driver for itself, or by the store before its first command. */
const unseen = new Set(['hello', 'ismaster', 'isMaster', 'ping', 'endSessions', 'createIndexes']);
/** Of an OP_MSG: header, flags, kind of the section, length of the document, type of its first element. */
const NAME_AT = 16 + 4 + 1 + 4 + 1;
const OP_MSG = 2013;

function commandOf(message: Buffer): string | undefined {
  if (message.readInt32LE(12) !== OP_MSG) return undefined;
  return message.toString('utf8', NAME_AT, message.indexOf(0, NAME_AT));
}

/** Hands on whole messages of MongoDB's protocol: each begins with its length. */
function messagesOf(socket: Socket, take: (message: Buffer) => void) {
  let rest = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= rest.readInt32LE(0)) {
      const length = rest.readInt32LE(0);
      take(rest.subarray(0, length));
      rest = rest.subarray(length);
    }
  });
}

/** `before`: the server never sees the command. `after`: it carries it out, and its answer is lost. */
export type Cut = { command: number; side: 'before' | 'after' };

export async function mongoNetwork(uri: string) {
  const { hostname, port } = new URL(uri);
  const links = new Set<Socket>();
  let state: 'open' | 'silent' | 'away' = 'open';
  let delayMs = 0;
  let cut: (Cut & { reached: () => void }) | undefined;
  let hold: { command: number; reached: () => void; released: Promise<void> } | undefined;
  const keptBack = new Map<string, Promise<void>>();
  const commands: string[] = [];

  function goAway() {
    state = 'away';
    for (const link of links) link.destroy();
  }

  function cutNow() {
    goAway();
    cut?.reached();
  }

  const server = createServer((near) => {
    if (state === 'away') return void near.destroy();
    const far = connect(Number(port), hostname);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      links.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        links.delete(socket);
        other.destroy();
      });
    }
    let answerIsLost = false;
    const send = (to: Socket, message: Buffer) => {
      if (delayMs === 0) to.write(message);
      else setTimeout(() => to.write(message), delayMs);
    };
    messagesOf(near, (message) => {
      if (state !== 'open') return;
      const command = commandOf(message);
      const released = keptBack.get(command ?? '');
      if (released) return void released.then(() => send(far, message));
      if (command !== undefined && !unseen.has(command)) {
        commands.push(command);
        if (commands.length === cut?.command) {
          if (cut.side === 'before') return cutNow();
          answerIsLost = true;
        }
        if (commands.length === hold?.command) {
          hold.reached();
          return void hold.released.then(() => send(far, message));
        }
      }
      send(far, message);
    });
    messagesOf(far, (message) => {
      if (answerIsLost) return cutNow();
      if (state === 'open') send(near, message);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    uri: `mongodb://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** What the store sent since the network was made or cut anew. */
    commands,
    /** From now on the n-th command is the last; then the server is away, and the promise resolves. */
    cutAt(next: Cut): Promise<void> {
      const { promise, resolve } = Promise.withResolvers<void>();
      commands.length = 0;
      cut = { ...next, reached: resolve };
      return promise;
    },
    /** Keeps the n-th command from now back until it is released. */
    holdAt(command: number) {
      const reached = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      commands.length = 0;
      hold = { command, reached: reached.resolve, released: released.promise };
      return { reached: reached.promise, release: released.resolve };
    },
    /** Keeps back every command of this name until they are let go; the others go through. */
    keepBack(name: string): () => void {
      const { promise, resolve } = Promise.withResolvers<void>();
      keptBack.set(name, promise);
      return () => {
        keptBack.delete(name);
        resolve();
      };
    },
    goAway,
    /** Connections stay and open, and nothing comes through. */
    fallSilent() {
      state = 'silent';
    },
    /** Each way, from now on. */
    slowDown(ms: number) {
      delayMs = ms;
    },
    /** Cuts all connections; new ones work. */
    cutAll() {
      for (const link of links) link.destroy();
    },
    comeBack() {
      state = 'open';
      cut = undefined;
      hold = undefined;
      // What hung in silence would hang for ever.
      for (const link of links) link.destroy();
    },
    async stop() {
      goAway();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
