/** The owner beside a flood: submits, and writes to a session, one of each at a time. */
import { chat } from '../../testing/client.ts';
import { httpLatencies } from '../http-load.ts';
import { median } from '../report.ts';
import { type Api, postBy, QUIET_KEY } from './flood.ts';
import { newSession } from './new-session.ts';

const ROUND_MS = 1_200;

/** Median and longest times, in ms, and how many requests were refused. */
export type QuietRound = {
  times: Record<'submit' | 'write to a session', { median: number; longest: number }>;
  refused: number;
};

/** Gives what measures one round. */
export async function quietOwner(api: Api): Promise<() => Promise<QuietRound>> {
  const path = await newSession(api, QUIET_KEY);
  const submit = postBy(api, QUIET_KEY, '/api/chat', JSON.stringify(chat('What is a queue?')));
  const write = postBy(api, QUIET_KEY, path, JSON.stringify({ role: 'user', content: 'What is a queue?' }));
  return async () => {
    let refused = 0;
    const times = async (request: string, status: number) => {
      const all = await httpLatencies({
        ...{ port: api.port, request: () => request, status, forMs: ROUND_MS, inFlight: 1 },
        refused: () => refused++,
      });
      return { median: median(all), longest: Math.max(...all) };
    };
    const [submitted, written] = await Promise.all([times(submit, 202), times(write, 201)]);
    return { times: { submit: submitted, 'write to a session': written }, refused };
  };
}
