/** Which process listens on a port of this machine. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

const LISTENS = '0A';
const MAX_COMMAND_LENGTH = 120;

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** The sockets that listen there, as the links in `/proc/<pid>/fd` name them. */
function socketsOf(port: number): Set<string> {
  const end = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = ['tcp', 'tcp6'].flatMap((table) => textOf(`/proc/net/${table}`).split('\n').slice(1));
  const sockets = rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([, local, , state]) => state === LISTENS && local?.endsWith(end))
    .map((fields) => `socket:[${fields[9]}]`);
  return new Set(sockets);
}

function hasOpen(pid: string, sockets: Set<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return sockets.has(readlinkSync(`/proc/${pid}/fd/${fd}`));
      } catch {
        return false;
      }
    });
  } catch {
    // Another user's, or gone.
    return false;
  }
}

function byProc(port: number): { pid: string; command: string } | undefined {
  const sockets = socketsOf(port);
  const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && hasOpen(name, sockets));
  return pid === undefined ? undefined : { pid, command: textOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim() };
}

function byLsof(port: number): { pid: string; command: string } | undefined {
  const { stdout } = spawnSync('lsof', ['-nP', '-Fpc', '-sTCP:LISTEN', `-iTCP:${port}`], { encoding: 'utf8' });
  const [, pid, command = ''] = /^p(\d+)\nc(.*)$/m.exec(stdout ?? '') ?? [];
  return pid === undefined ? undefined : { pid, command };
}

/** `process 12 (node server.js)`; undefined when it cannot be seen, as another user's. */
export function portHolder(port: number): string | undefined {
  const holder = existsSync('/proc/net/tcp') ? byProc(port) : byLsof(port);
  return holder && `process ${holder.pid} (${holder.command.slice(0, MAX_COMMAND_LENGTH)})`;
}
