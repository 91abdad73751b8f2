/**
 * The driver's connection, with one fault of it mended (7.9.0): a command that is written when its socket is destroyed
 * already, and not yet closed, waits for `drain` for ever, and no timeout of the driver ends it. The monitor of a server
 * writes just then, because what was cut made it look: it waits, never looks again, and the client never finds the server
 * again. A command of a pool does not return, and its place in the pool is lost. Here the end of the connection ends the
 * write.
 *
 * The driver takes the class of its connections as an option, and neither exports nor declares it. A test fails when upstream
 * is mended.
 */
import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';

/** Of the driver's class what is used here. */
type Connection = EventEmitter & {
  /** Why it ended; set before it emits `close`. */
  error: Error | null;
  /** Resolves when the command is handed to the system. */
  writeCommand(command: unknown, options: unknown): Promise<void>;
};
type ConnectionClass = new (...stream: unknown[]) => Connection;

/** The class of connections to give to the driver. */
export function mendedConnection(): ConnectionClass {
  const driver = createRequire(import.meta.url)('mongodb/lib/cmap/connection.js') as { Connection: ConnectionClass };
  // The driver makes its connections with `new`, and the method to mend is inherited.
  return class extends driver.Connection {
    override async writeCommand(command: unknown, options: unknown) {
      const ended = Promise.withResolvers<never>();
      const end = () => ended.reject(this.error);
      this.once('close', end);
      try {
        await Promise.race([super.writeCommand(command, options), ended.promise]);
      } finally {
        this.off('close', end);
      }
    }
  };
}
