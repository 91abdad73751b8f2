/** Installs Debian's or Ubuntu's redis-server package, for a machine that has nothing yet. */
import { findTool, type Machine, runTool } from './machine.ts';

/**
 * Under `flock`, because the test files of a bare machine all come here at once. Only the program is wanted: a policy
 * keeps the package from starting a server on port 6379 now, and disabling it from starting one after a reboot.
 */
const SCRIPT = `
set -e
command -v redis-server >/dev/null && exit 0
echo 'beanline: installing redis-server with apt-get; this happens once' >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
candidate=$(LC_ALL=C apt-cache policy redis-server | sed -n 's/^ *Candidate: *\\([0-9]*:\\)\\{0,1\\}\\([0-9]*\\)\\..*/\\2/p')
[ "\${candidate:-0}" -ge "$1" ] || exit 3
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  trap 'exit 130' INT TERM HUP
  printf '#!/bin/sh\\nexit 101\\n' > $policy
  chmod 755 $policy
fi
apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 redis-server
if command -v systemctl >/dev/null; then systemctl disable -q redis-server >/dev/null 2>&1 || true; fi
`;

const APT_FOUND_TOO_OLD = 3;
const FLOCK_FILE = '/tmp/beanline-install-redis.lock';

/** Installs the package when this machine has apt-get and the user is root; answers with the reason when it could not. */
export async function installRedis(machine: Machine, major: number): Promise<string | undefined> {
  const flock = findTool(machine, 'flock');
  if (!machine.root || !flock || !findTool(machine, 'apt-get')) return undefined;
  const code = await runTool(machine, flock, [FLOCK_FILE, 'sh', '-c', SCRIPT, 'install-redis', String(major)]);
  if (code === 0) return undefined;
  if (code === APT_FOUND_TOO_OLD) return `The redis-server package of this system is older than ${major}.`;
  return 'apt-get could not install redis-server; see its messages above.';
}
