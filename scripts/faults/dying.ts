/**
 * The real programs, which die by SIGKILL right after one of their writes: `node dying.ts api|runner|relay tasks.finish`.
 * Nothing is replaced: the write happens, and nothing after it does.
 */
import type { Deps } from '@beanline/shared/deps.ts';
import { runProgram } from '@beanline/shared/program.ts';
import { createProviders, wire } from '@beanline/shared/wire.ts';
import { startServer } from '../../apps/api/src/server.ts';
import { startRelay } from '../../workers/relay/src/relay.ts';
import { startRunner } from '../../workers/runner/src/runner.ts';
import { testCatalog } from '../testing/catalog.ts';

type Write = (...args: unknown[]) => Promise<unknown>;

const name = process.argv[2] as 'api' | 'runner' | 'relay';
const [seam, write] = (process.argv[3] ?? '').split('.') as ['tasks' | 'queue', string];

function dieAfterWrite(deps: Deps): Deps {
  const parts = deps[seam] as unknown as Record<string, Write>;
  const real = parts[write];
  if (!real) throw new Error(`there is no ${seam}.${write}`);
  const last: Write = async (...args) => {
    await real(...args);
    process.kill(process.pid, 'SIGKILL');
    return new Promise(() => undefined);
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
    return startRunner({ ...deps, providers: await createProviders(config) }, wired.queueRedis, config);
  },
});
