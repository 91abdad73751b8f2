/** Large bodies that are being sent: who asks for the same one meanwhile gets the same bytes, not a copy. */
import type { ServerResponse } from 'node:http';

type Sent = { tag: string; body: Uint8Array<ArrayBuffer>; answers: number };

export type SharedBodies = ReturnType<typeof createSharedBodies>;

export function createSharedBodies() {
  const sent = new Map<string, Sent>();
  const underWay = new Map<string, Promise<unknown>>();
  return {
    /** What is being read to make a body of this name. */
    reading: (name: string) => underWay.get(name),
    async read<T>(name: string, work: () => Promise<T>): Promise<T> {
      const reading = work();
      underWay.set(name, reading);
      try {
        return await reading;
      } finally {
        if (underWay.get(name) === reading) underWay.delete(name);
      }
    },
    /** Whether a body of this name is being sent. */
    has: (name: string) => sent.has(name),
    get(name: string, tag: string): Uint8Array<ArrayBuffer> | undefined {
      const known = sent.get(name);
      return known?.tag === tag ? known.body : undefined;
    },
    /** Others may use it until the last answer with it is closed. `tag` changes with the body. */
    use(name: string, tag: string, body: Uint8Array<ArrayBuffer>, outgoing: ServerResponse): void {
      if (outgoing.destroyed) return;
      const known = sent.get(name);
      const entry = known?.body === body ? known : { tag, body, answers: 0 };
      sent.set(name, entry);
      entry.answers++;
      outgoing.once('close', () => {
        if (--entry.answers === 0 && sent.get(name) === entry) sent.delete(name);
      });
    },
  };
}
