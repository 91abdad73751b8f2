/** The Redis of a machine, for those who can do without no server program: Docker would not do. */
import { howToGetRedis } from '../start/redis/how-to-get-redis.ts';
import { thisMachine } from '../start/redis/machine.ts';
import { lookForRedis } from '../start/redis/redis-server.ts';

/** The path of a server program as `lookForRedis` finds or gets it; throws with the one command to run. */
export async function findRedisServer(machine = thisMachine()): Promise<string> {
  const found = await lookForRedis(machine);
  if (found.path === undefined) throw howToGetRedis(machine, found.reasons, found.tooOld);
  return found.path;
}
