/** The real programs with the tests' job types: `node program.ts api|runner|relay`. */
import { readConfig } from '@beanline/shared/config.ts';
import { runProgram } from '@beanline/shared/program.ts';
import { HttpVariables } from '../../apps/api/src/http/variables.ts';
import { catalogOf } from './catalog.ts';
import { type ProgramName, startIn } from './start-program.ts';

const name = process.argv[2] as ProgramName;

await runProgram({
  name,
  env: process.env,
  readConfig: (env) => readConfig(env, HttpVariables),
  start: (config, log) => startIn(name, config, { log, catalog: catalogOf(process.env) }),
});
