/** The real programs with the tests' job types: `node program.ts api|runner|relay`. */

import { createProviders } from '@beanline/shared/models/create-providers.ts';
import { runProgram } from '@beanline/shared/program.ts';
import { wire } from '@beanline/shared/wire.ts';
import { startServer } from '../../apps/api/src/http/server.ts';
import { startRelay } from '../../workers/relay/src/relay.ts';
import { startRunner } from '../../workers/runner/src/runner.ts';
import { testCatalog } from './catalog.ts';

// A fuzzer must not find the job type that kills its runner.
const catalog = process.env.TEST_CATALOG === 'real' ? {} : { catalog: testCatalog };
const name = process.argv[2] as 'api' | 'runner' | 'relay';

await runProgram({
  name,
  async start(config, log) {
    const { deps, queueRedis, close } = wire(config, { program: name, log, ...catalog });
    const started =
      name === 'api'
        ? await startServer(deps, config)
        : await deps.clock
            .ready()
            .then(async () =>
              name === 'relay'
                ? startRelay(deps, config)
                : startRunner({ ...deps, providers: await createProviders(config, log) }, queueRedis, config),
            );
    await deps.clock.ready();
    return {
      stuck: 'stuck' in started ? (started.stuck as Promise<void>) : undefined,
      async stop() {
        await started.stop();
        await close();
      },
    };
  },
});
