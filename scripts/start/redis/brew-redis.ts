/** Installs Redis with Homebrew, where that is in use. */
import { underLock } from '../file-lock.ts';
import { findTool, type Machine, runTool } from './machine.ts';

/** Installs it when Homebrew is there (which refuses to work for root); answers with the reason when it could not. */
export async function brewRedis(machine: Machine): Promise<string | undefined> {
  const brew = findTool(machine, 'brew');
  if (!brew || machine.root) return undefined;
  try {
    // Homebrew refuses to install one thing twice at once, and the test files of a bare machine all come here together.
    const code = await underLock(`${machine.packages}.lock`, async () => {
      if (findTool(machine, 'redis-server')) return 0;
      process.stderr.write('beanline: installing Redis with Homebrew (brew install redis); this happens once\n');
      return runTool(machine, brew, ['install', 'redis'], { NONINTERACTIVE: '1', HOMEBREW_NO_ENV_HINTS: '1' });
    });
    return code === 0 ? undefined : 'Homebrew could not install Redis; see its messages above.';
  } catch (error) {
    return `Homebrew was not tried: ${(error as Error).message}.`;
  }
}
