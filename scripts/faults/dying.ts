/**
 * The real programs, which send themselves a signal right after one of their writes, SIGKILL unless told otherwise:
 * `node dying.ts api|runner|relay tasks.finish [SIGSTOP]`. Nothing is replaced: the write happens, what follows does not.
 */
import type { Deps } from '@beanline/shared/deps.ts';
import { runProgram } from '@beanline/shared/program.ts';
import { wire } from '@beanline/shared/wire.ts';
import { createProviders } from '@beanline/shared/wire-providers.ts';
import { startServer } from '../../apps/api/src/server.ts';
import { startRelay } from '../../workers/relay/src/relay.ts';
import { startRunner } from '../../workers/runner/src/runner.ts';
import { testCatalog } from '../testing/catalog.ts';

type Write = (...args: unknown[]) => Promise<unknown>;

const name = process.argv[2] as 'api' | 'runner' | 'relay';
const [seam, write] = (process.argv[3] ?? '').split('.') as ['tasks' | 'queue', string];
const signal = process.argv[4] as 'SIGSTOP' | undefined;

function dieAfterWrite(deps: Deps): Deps {
  const parts = deps[seam] as unknown as Record<string, Write>;
  const real = parts[write];
  if (!real) throw new Error(`there is no ${seam}.${write}`);
  let stopped = false;
  const last: Write = async (...args) => {
    const result = await real(...args);
    if (!stopped) process.kill(process.pid, signal ?? 'SIGKILL');
    stopped = true;
    return signal === 'SIGSTOP' ? result : new Promise(() => undefined);
  };
  return { ...deps, [seam]: { ...parts, [write]: last } };
}

await runProgram({
  name,
  async start(config, log) {
    const wired = wire(config, { program: name, log, catalog: testCatalog });
    const deps = dieAfterWrite(wired.deps);
    await deps.clock.ready();
    if (name === 'api') return startServer(deps, config);
    if (name === 'relay') return startRelay(deps, config);
    return startRunner({ ...deps, providers: await createProviders(config, log) }, wired.queueRedis, config);
  },
});
