/** One of the three programs with the tests' job types, as its `main.ts` starts it, in whatever process. */
import type { Catalog } from '@beanline/shared/job-type.ts';
import type { Log } from '@beanline/shared/log.ts';
import { createProviders } from '@beanline/shared/models/create-providers.ts';
import { wire } from '@beanline/shared/wire.ts';
import { startServer } from '../../apps/api/src/http/server.ts';
import type { ApiEnvironment } from '../../apps/api/src/http/variables.ts';
import { startRelay } from '../../workers/relay/src/relay.ts';
import { startRunner } from '../../workers/runner/src/runner.ts';

export type ProgramName = 'api' | 'runner' | 'relay';

type Started = { stop(): Promise<void>; stuck?: Promise<void> | undefined; port?: number };

/** Resolves when it is ready. An API has the port it listens on. */
export async function startIn(
  name: ProgramName,
  config: ApiEnvironment,
  { log, catalog }: { log: Log; catalog?: Catalog | undefined },
): Promise<Started> {
  const { deps, close } = wire(config, { program: name, log, ...(catalog ? { catalog } : {}) });
  async function start(): Promise<Started> {
    // It listens before Redis is there.
    if (name === 'api') return startServer(deps, config);
    await deps.clock.ready();
    if (name === 'relay') return startRelay(deps, config);
    return startRunner({ ...deps, providers: await createProviders(config, log) }, config);
  }
  const started = await start();
  await deps.clock.ready();
  return {
    ...started,
    async stop() {
      await started.stop();
      await close();
    },
  };
}
