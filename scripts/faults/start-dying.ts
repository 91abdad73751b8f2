/** Starts one of the real programs, which ends or freezes itself right after a write. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { INHERITED } from '../testing/system.ts';
import { until } from '../testing/until.ts';
import type { Faults } from './checks.ts';

const DYING = fileURLToPath(new URL('dying.ts', import.meta.url));

/** `write` such as `tasks.finish`. Ready for its last work when this resolves; `died` resolves after the SIGKILL. */
export async function startDying(
  system: Pick<Faults, 'env'>,
  name: 'api' | 'runner' | 'relay',
  write: string,
  signal: 'SIGKILL' | 'SIGSTOP' = 'SIGKILL',
  more: Record<string, string> = {},
) {
  const child = spawn(process.execPath, [DYING, name, write, ...(signal === 'SIGSTOP' ? [signal] : [])], {
    env: {
      ...INHERITED,
      ...system.env,
      PORT: '0',
      ...more,
      BEANLINE_PARENT: '1',
    },
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const died = once(child, 'exit').then(([, by]) => assert.equal(by, 'SIGKILL', `${name}: ${log}`));
  let log = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    log += chunk;
  });
  const isGone = () => child.exitCode !== null || child.signalCode !== null;
  await until(`${name} is ready`, () => /is ready"|API listens"/.test(log) || isGone());
  const port = /"port":(\d+).*the API listens/.exec(log)?.[1] ?? '0';
  return {
    url: `http://127.0.0.1:${port}`,
    child,
    died,
    /** Asks it to stop, as a deploy does. */
    stop: () => child.kill('SIGTERM'),
  };
}
