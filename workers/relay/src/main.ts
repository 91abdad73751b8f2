/** The relay program. */
import { readConfig } from '@beanline/shared/config.ts';
import { openCatalog } from '@beanline/shared/jobs/catalog.ts';
import { runProgram } from '@beanline/shared/program.ts';
import { wire } from '@beanline/shared/wire.ts';
import { startRelay } from './relay.ts';

await runProgram({
  name: 'relay',
  env: process.env,
  readConfig,
  async start(config, log) {
    const { deps, close } = wire(config, { program: 'relay', log, catalog: await openCatalog(config) });
    await deps.clock.ready();
    const relay = startRelay(deps, config);
    return {
      async stop() {
        await relay.stop();
        await close();
      },
    };
  },
});
