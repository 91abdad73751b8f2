/** The API program. It listens before Redis is there, and answers 503 until then. */
import { readConfig } from '@beanline/shared/config.ts';
import { openCatalog } from '@beanline/shared/jobs/catalog.ts';
import { runProgram } from '@beanline/shared/program.ts';
import { wire } from '@beanline/shared/wire.ts';
import { startServer } from './http/server.ts';
import { HttpVariables } from './http/variables.ts';

await runProgram({
  name: 'api',
  env: process.env,
  readConfig: (env) => readConfig(env, HttpVariables),
  async start(config, log) {
    const { deps, close } = wire(config, { program: 'api', log, catalog: await openCatalog(config) });
    const server = await startServer(deps, config);
    await deps.clock.ready();
    return {
      async stop() {
        await server.stop();
        await close();
      },
    };
  },
});
