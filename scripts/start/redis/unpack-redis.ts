/**
 * Gets Debian's or Ubuntu's redis-server for a user who may not install it: downloads the package with what it needs and
 * this system lacks, and unpacks them beside our data. apt-get keeps its lists with us too, since those of a fresh
 * container are empty and those of a system are not ours to renew.
 */
import { underLock } from '../file-lock.ts';
import { findTool, isProgram, type Machine, runTool } from './machine.ts';

/**
 * $1: the folder, $2: the version that is needed at least. The small programs in `bin` are what is run: they show the
 * real ones where their libraries are. They go by their own place, so that the folder may be moved.
 */
const SCRIPT = `
set -e
dir=$1
work=$1.$$
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
apt() {
  LC_ALL=C apt-get -q -o "Dir::State=$work/state" -o Dir::State::status=/var/lib/dpkg/status -o "Dir::Cache=$work/cache" \\
    -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false "$@"
}
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/packages" "$work/bin" "$work/root"
echo "beanline: unpacking the redis-server package into $dir, since this user may not install it; this happens once" >&2
apt update >&2
wanted=$(apt -s --no-install-recommends install redis-server |
  sed -n 's/^Inst \\([^ ]*\\) \\(\\[[^]]*\\] \\)\\{0,1\\}(\\([^ ]*\\) .*/\\1=\\3/p')
major=$(printf '%s\\n' "$wanted" | sed -n 's/^redis-server=\\([0-9]*:\\)\\{0,1\\}\\([0-9]*\\)\\..*/\\2/p')
[ -n "$major" ] || exit 4
[ "$major" -ge "$2" ] || exit 3
(cd "$work/packages" && apt download $wanted >&2)
for package in "$work"/packages/*.deb; do dpkg-deb -x "$package" "$work/root"; done
for program in redis-server redis-cli; do
  cat > "$work/bin/$program" <<'PROGRAM'
#!/bin/sh
here=$(CDPATH= cd -- "$(dirname -- "$0")/../root" && pwd)
libraries=$(printf '%s:' "$here"/usr/lib/*-linux-gnu* "$here"/lib/*-linux-gnu*)
LD_LIBRARY_PATH="\${libraries%:}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$here/usr/bin/\${0##*/}" "$@"
PROGRAM
  chmod 755 "$work/bin/$program"
done
"$work/bin/redis-server" --version >&2
rm -rf "$work/state" "$work/cache" "$work/packages" "$dir"
mv "$work" "$dir"
`;

const TOO_OLD = 3;
const UNKNOWN = 4;
const TOOLS = ['sh', 'apt-get', 'dpkg-deb', 'sed'];

/** Unpacks the package when this machine has apt-get and the user is not root; answers with the reason when it could not. */
export async function unpackRedis(machine: Machine, major: number): Promise<string | undefined> {
  const [shell, ...others] = TOOLS.map((name) => findTool(machine, name));
  if (machine.root || !shell || others.includes(undefined)) return undefined;
  const { packages } = machine;
  try {
    return await underLock(`${packages}.lock`, async () => {
      // Another process may have been at it while we waited.
      if (isProgram(`${packages}/bin/redis-server`)) return undefined;
      const code = await runTool(machine, shell, ['-c', SCRIPT, 'unpack-redis', packages, String(major)]);
      if (code === 0) return undefined;
      if (code === TOO_OLD) return `The redis-server package of this system is older than ${major}.`;
      if (code === UNKNOWN)
        return 'apt-get knows no redis-server package that could be unpacked; see its messages above.';
      return 'The redis-server package could not be unpacked; see the messages above.';
    });
  } catch (error) {
    return `The redis-server package could not be unpacked into ${packages} (${(error as Error).message}).`;
  }
}
