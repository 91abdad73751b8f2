/** The runner program. */

import { readConfig } from '@beanline/shared/config.ts';
import { openCatalog } from '@beanline/shared/jobs/catalog.ts';
import { createProviders } from '@beanline/shared/models/create-providers.ts';
import { runProgram } from '@beanline/shared/program.ts';
import { wire } from '@beanline/shared/wire.ts';
import { startRunner } from './runner.ts';

await runProgram({
  name: 'runner',
  env: process.env,
  readConfig,
  async start(config, log) {
    const { deps, close } = wire(config, { program: 'runner', log, catalog: await openCatalog(config) });
    await deps.clock.ready();
    const runner = await startRunner({ ...deps, providers: await createProviders(config, log) }, config);
    return {
      stuck: runner.stuck,
      async stop() {
        await runner.stop();
        await close();
      },
    };
  },
});
