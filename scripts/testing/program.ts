/** The real programs with the tests' job types: `node program.ts api|runner|relay`. */
import { runProgram } from '@beanline/shared/program.ts';
import { catalogOf } from './catalog.ts';
import { type ProgramName, startIn } from './start-program.ts';

const name = process.argv[2] as ProgramName;

await runProgram({ name, start: (config, log) => startIn(name, config, { log, catalog: catalogOf(process.env) }) });
