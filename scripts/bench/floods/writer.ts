/** Noise for the writer of the store: texts that cost its index the most. */
import { FLOOD_KEY, type Flood, floodPost } from './flood.ts';
import { newSession } from './new-session.ts';

const CLIENTS = 10;
const LETTERS = 75_000;
const NOISES = 50;

/** Printable letters of which no three come twice, as far as there are: for an index the worst that a text can be. */
const noise = (length: number) =>
  Array.from({ length }, () => String.fromCharCode(0x23 + Math.floor(Math.random() * 0x38))).join('');

export const writer: Flood = {
  name: 'noise into a session',
  about: `${CLIENTS} clients, each posting messages of ${LETTERS / 1_000} kB of noise to one session`,
  async prepare({ api }) {
    const path = await newSession(api, FLOOD_KEY);
    const requests = Array.from({ length: NOISES }, () =>
      floodPost(api, path, JSON.stringify({ role: 'user', content: noise(LETTERS) })),
    );
    return { requests, clients: CLIENTS, reads: true };
  },
};
