/** Tells in the log that Redis is away or back, and what keeps us from it: a wrong password, a certificate. */
import type { Log } from '../../log.ts';
import type { RedisConnection } from '../connect.ts';

export function createOutageLog(redis: RedisConnection, log: Log) {
  let reachable = false;
  /** Each cause once an outage. */
  const told = new Set<string>();

  function tell(error: Error) {
    const cause = (error as { lastNodeError?: Error }).lastNodeError ?? error;
    if (reachable || told.has(cause.message)) return;
    told.add(cause.message);
    log.warn({ error: cause }, 'redis cannot be reached (REDIS_URL)');
  }
  redis.on('error', tell);
  redis.on('node error', tell);

  return {
    isReachable: () => reachable,
    /** Notes whether Redis is there. */
    note(available: boolean) {
      if (available === reachable) return;
      reachable = available;
      log[reachable ? 'info' : 'warn'](reachable ? 'redis is reachable' : 'redis is away');
      if (reachable) told.clear();
    },
  };
}
