/** What `npm start` is told: its arguments and the environment, checked together. */
import { parseArgs } from 'node:util';
import { type ApiEnvironment, HttpVariables } from '../../apps/api/src/http/variables.ts';
import { ConfigError, readConfig } from '../../shared/src/config.ts';

const MAX_RUNNERS = 64;

/** The usage of `npm start`. */
export const USAGE = `Usage: npm start [-- --runners N] [--port P]
  --runners N  how many runner processes do the work, 1 to ${MAX_RUNNERS} (default 1)
  --port P     the port of the API (default: PORT, or 3000); 0 takes a free one
Everything else is set by environment variables, see docs/configuration.md.`;

export type StartOptions = { help: boolean; runners: number; config: ApiEnvironment };

const HINT = 'Options come after --, as in npm start -- --runners 4';

/** What npm has kept for itself of `npm start --runners 4`: it gives us the `4`, and the rest in the environment. */
function keptByNpm(argv: string[], env: NodeJS.ProcessEnv): string[] {
  return ['runners', 'port'].flatMap((name) => {
    const kept = env[`npm_config_${name}`];
    if (kept === undefined || argv.some((arg) => arg.startsWith(`--${name}`))) return [];
    const value = kept === 'true' ? argv.find((arg) => /^\d+$/.test(arg)) : kept;
    return [`--${name}: npm took it for itself. Write -- before it: npm start -- --${name} ${value ?? 'N'}`];
  });
}

function parse(argv: string[], env: NodeJS.ProcessEnv) {
  const kept = keptByNpm(argv, env);
  if (kept.length > 0) throw new ConfigError(kept);
  try {
    return parseArgs({
      args: argv,
      options: { runners: { type: 'string' }, port: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    });
  } catch (error) {
    throw new ConfigError([`${(error as Error).message.replace(/\.$/, '')}. ${HINT}`]);
  }
}

/** Reads arguments and environment; throws one ConfigError that names everything that is wrong. */
export function startOptions(argv: string[], env: NodeJS.ProcessEnv): StartOptions {
  const { values } = parse(argv, env);
  const problems: string[] = [];
  let config: ApiEnvironment | undefined;
  try {
    config = readConfig(values.port === undefined ? env : { ...env, PORT: values.port }, HttpVariables);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    problems.push(...error.problems);
  }
  const runners = Number(values.runners ?? 1);
  if (!Number.isInteger(runners) || runners < 1 || runners > MAX_RUNNERS)
    problems.push(`--runners: must be a whole number from 1 to ${MAX_RUNNERS}`);
  if (config === undefined || problems.length > 0) throw new ConfigError(problems);
  return { help: values.help ?? false, runners, config };
}
