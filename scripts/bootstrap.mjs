/**
 * Runs before every npm script, on whatever Node the machine has: installs the dependencies when they are missing or
 * stale. Among them is Node 24 itself, which npm then finds first on its PATH. Plain JavaScript without dependencies,
 * because nothing else is there yet.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Before it `node:sqlite` reads a text only up to a NUL. */
const NODE_LEAST = [24, 16];
const NODE = NODE_LEAST.join('.');
const LOCK_WAIT_MS = 200;
/** A lock without a holder's id is one whose holder died in between. */
const LOCK_UNOWNED_MS = 5_000;

/** How npm says that it gets no answer at all. */
const UNREACHABLE =
  /\bcode (ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT)\b/;
const WHEN_OFFLINE =
  'connect this machine, or tell npm of your proxy (npm config set proxy http://…), and run the same again';

const root = resolve(fileURLToPath(import.meta.url), '../..');
const modules = join(root, 'node_modules');
const stampFile = join(modules, '.beanline-stamp');
/** Where npm writes what it has installed. */
const npmNote = join(modules, '.package-lock.json');
const localNode = join(modules, '.bin', 'node');
const lockDir = join(root, '.data', 'bootstrap.lock');
const lockOwner = join(lockDir, 'pid');

const versionOf = (text) => (/^v?(\d+)\.(\d+)/.exec(text) ?? ['', 0, 0]).slice(1).map(Number);
const isNewEnough = (text) => {
  const [major, minor] = versionOf(text);
  return major > NODE_LEAST[0] || (major === NODE_LEAST[0] && minor >= NODE_LEAST[1]);
};
const systemPath = (process.env.PATH ?? '')
  .split(delimiter)
  .filter((part) => !/[\\/]node_modules[\\/]\.bin[\\/]?$/.test(part))
  .join(delimiter);

function fail(message) {
  console.error(`beanline: ${message}`);
  process.exit(1);
}

function readOrNothing(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/**
 * The platform is part of it, because a checkout may be mounted into a container of another one; the time of npm's own
 * note, because `npm install` keeps our stamp.
 */
function wantedStamp(lockfile) {
  const hash = createHash('sha256').update(lockfile).digest('hex');
  const noted = statSync(npmNote, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return `${hash} ${process.platform}-${process.arch} ${noted}`;
}

/** Whether npm's own note of what it installed agrees with the lock file, as after a developer's `npm install`. */
function installedAgrees(lockfile) {
  const note = readOrNothing(npmNote);
  if (note === '') return false;
  const installed = JSON.parse(note).packages ?? {};
  const inModules = Object.entries(JSON.parse(lockfile).packages ?? {}).filter(([path]) =>
    path.includes('node_modules/'),
  );
  return inModules.every(([path, wanted]) => {
    const found = installed[path];
    if (found === undefined) return wanted.optional === true && !existsSync(join(root, path));
    return found.version === wanted.version && found.integrity === wanted.integrity && existsSync(join(root, path));
  });
}

function isFresh(lockfile) {
  const stamp = wantedStamp(lockfile);
  if (readOrNothing(stampFile) === stamp) return true;
  if (!installedAgrees(lockfile) || !nodeIsThere()) return false;
  writeFileSync(stampFile, stamp);
  return true;
}

/** Whether npm scripts will find a Node that is new enough. */
function nodeIsThere() {
  if (existsSync(localNode)) {
    if (isNewEnough(spawnSync(localNode, ['--version'], { encoding: 'utf8' }).stdout ?? '')) return true;
    // One that does not run here (such as glibc's under musl) would hide a good Node of the system.
    rmSync(localNode, { force: true });
  }
  const system = spawnSync('node', ['--version'], { encoding: 'utf8', env: { ...process.env, PATH: systemPath } });
  return isNewEnough(system.stdout ?? '');
}

/** Removes the lock of a process that is no more; whether there is reason to try for it again at once. */
function breakDeadLock() {
  const owner = readOrNothing(lockOwner);
  try {
    if (owner === '' && Date.now() - statSync(lockDir).mtimeMs < LOCK_UNOWNED_MS) return false;
    if (owner !== '') process.kill(Number(owner), 0);
    if (owner !== '') return false;
  } catch (error) {
    if (error.code !== 'ESRCH') return error.code === 'ENOENT';
  }
  const aside = `${lockDir}.${process.pid}`;
  try {
    renameSync(lockDir, aside);
    // Another process may have broken it first and hold a new one: that one goes back.
    if (readOrNothing(join(aside, 'pid')) !== owner) renameSync(aside, lockDir);
    else rmSync(aside, { recursive: true, force: true });
  } catch {
    // Somebody else was faster.
  }
  return true;
}

function takeLock() {
  mkdirSync(join(root, '.data'), { recursive: true });
  for (let said = false; ; ) {
    try {
      mkdirSync(lockDir);
      writeFileSync(lockOwner, String(process.pid));
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (breakDeadLock()) continue;
    if (!said)
      console.log(`beanline: another process is installing the dependencies (lock: ${lockDir}), waiting for it`);
    said = true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_WAIT_MS);
  }
}

/** Runs npm on the system's Node: `npm ci` deletes node_modules, so it must not run on the Node inside it. */
function npm(args, stdio) {
  const env = { ...process.env, PATH: systemPath };
  const result = spawnSync('npm', [...args, '--loglevel=error'], { cwd: root, stdio, env, encoding: 'utf8' });
  if (result.error) fail(`npm could not be run (${result.error.message}); it comes with Node.js: https://nodejs.org`);
  return result;
}

/** Why npm does not reach its registry, told before it tries for a minute; undefined when it does. */
function whyOffline() {
  const ping = npm(['ping', '--fetch-retries=0', '--fetch-timeout=5000'], ['ignore', 'ignore', 'pipe']);
  const [, code] = UNREACHABLE.exec(ping.stderr) ?? [];
  if (code === undefined) return undefined;
  return `npm cannot reach ${npm(['config', 'get', 'registry'], ['ignore', 'pipe', 'ignore']).stdout.trim()} (${code})`;
}

function install(lockfile) {
  console.log(`beanline: installing dependencies (npm ci), among them Node ${NODE_LEAST[0]}; this happens once`);
  const offline = whyOffline();
  if (offline) console.error(`beanline: ${offline}: ${WHEN_OFFLINE}. Trying with what npm has cached`);
  const options = ['--include=dev', '--include=optional', '--no-audit', '--no-fund', ...(offline ? ['--offline'] : [])];
  const result = npm(['ci', ...options], ['ignore', 'inherit', 'inherit']);
  if (result.status !== 0 && offline) fail(`${offline}, and has not cached all that is needed. ${WHEN_OFFLINE}`);
  if (result.status !== 0) fail(`npm failed (${result.signal ?? `code ${result.status}`}); see its messages above`);
  if (!nodeIsThere())
    fail(
      `Node ${NODE} or newer is needed. This is ${process.version}, and npm has no Node ${NODE} that runs on ` +
        `${process.platform}-${process.arch}. Install it from https://nodejs.org and try again.`,
    );
  writeFileSync(stampFile, wantedStamp(lockfile));
}

if (versionOf(process.version)[0] < 20)
  fail(
    `Node 20 or newer is needed to begin with, this is ${process.version}. Install Node 24 from https://nodejs.org.`,
  );

const lockfile = readOrNothing(join(root, 'package-lock.json'));
if (lockfile === '') fail(`package-lock.json is missing in ${root}`);
if (!isFresh(lockfile)) {
  takeLock();
  process.on('exit', () => rmSync(lockDir, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));
  if (!isFresh(lockfile)) install(lockfile);
}
