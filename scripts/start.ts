/** `npm start`: everything beanline needs on one machine, started and ended together. */
import { fileURLToPath } from 'node:url';
import { runEmbedded } from './start/run-embedded.ts';

const main = (path: string) => [fileURLToPath(new URL(path, import.meta.url))];

process.exit(
  await runEmbedded({
    argv: process.argv.slice(2),
    env: process.env,
    programs: {
      api: main('../apps/api/src/main.ts'),
      runner: main('../workers/runner/src/main.ts'),
      relay: main('../workers/relay/src/main.ts'),
    },
  }),
);
