/** Bodies nearly as large as may be, of which each costs much to read. */
import { chat } from '../../testing/client.ts';
import { type Flood, floodPost } from './flood.ts';

const CLIENTS = 60;
const BYTES = 9_900_000;
/** Two bytes of JSON that are one letter: for a parser the most a text can cost. */
const ESCAPED = '"';

export const bodies: Flood = {
  name: `${CLIENTS} large bodies`,
  about: `${CLIENTS} clients that submit bodies of ${BYTES / 1e6} MB, all of escaped letters`,
  async prepare({ api }) {
    const body = JSON.stringify(chat(ESCAPED.repeat(BYTES / 2)));
    return { requests: [floodPost(api, '/api/chat', body)], clients: CLIENTS, reads: true };
  },
};
