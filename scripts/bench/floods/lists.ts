/** Filtered lists that hardly any task passes, over many tasks. */
import { chat } from '../../testing/client.ts';
import { httpLatencies } from '../http-load.ts';
import { type Flood, floodGet, floodPost } from './flood.ts';

const TASKS = 5_000;
const CLIENTS = 20;
const IN_FLIGHT = 20;

export const lists: Flood = {
  name: `${CLIENTS} filtered lists`,
  about: `${CLIENTS} clients that list the expired ones of ${TASKS.toLocaleString('en')} waiting tasks`,
  async prepare({ api }) {
    let left = TASKS / IN_FLIGHT;
    const request = floodPost(api, '/api/chat', JSON.stringify(chat()));
    for (; left > 0; left--) {
      await httpLatencies({ port: api.port, request: () => request, status: 202, forMs: 0, inFlight: IN_FLIGHT });
    }
    return { requests: [floodGet(api, '/tasks?status=expired&limit=200')], clients: CLIENTS, reads: true };
  },
};
