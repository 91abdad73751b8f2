/** What to tell somebody on whose machine no Redis could be found or got. */
import { findTool, type Machine } from './machine.ts';

/** The image of `npm start`'s own Redis where there is Docker, the one of docker-compose.yml. */
export const REDIS_IMAGE = 'redis:7.2.11-bookworm';

const DOCKER = `docker run -d -p 127.0.0.1:6379:6379 ${REDIS_IMAGE} redis-server --appendonly yes --maxmemory-policy noeviction`;

/** By the package manager a system has, the command that installs a server new enough. */
const INSTALLS: [string, string][] = [
  ['apt-get', 'apt-get install redis-server'],
  ['dnf', 'dnf install valkey'],
  ['apk', 'apk add redis'],
  ['pacman', 'pacman -S valkey'],
  ['zypper', 'zypper install redis'],
];

function whatToRun(machine: Machine, tooOld: boolean): string {
  if (machine.platform === 'darwin')
    return `brew install redis${findTool(machine, 'brew') ? '' : ' (Homebrew: https://brew.sh)'}`;
  const install = tooOld ? undefined : INSTALLS.find(([tool]) => findTool(machine, tool))?.[1];
  if (!install) return `${DOCKER}, and set REDIS_URL=redis://127.0.0.1:6379`;
  return machine.root ? install : `sudo ${install}`;
}

/** One error with why there is none and the one command to run. `tooOld`: the system's own package would not do. */
export function howToGetRedis(machine: Machine, reasons: string[], tooOld: boolean): Error {
  return new Error(`${reasons.join(' ')} Run: ${whatToRun(machine, tooOld)}. Or set REDIS_URL to a Redis you have.`);
}
