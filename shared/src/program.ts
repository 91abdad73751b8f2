/** What all programs share: how they start, what makes them give up, and how they are told to stop. */
import { ConfigError, type Environment } from './config.ts';
import { JobTypesError } from './jobs/catalog/own-job-types.ts';
import { createLog, type Log } from './log.ts';
import { RedisSettingsError } from './redis/requirements.ts';

/** Exit code of a program whose configuration or Redis is not acceptable: starting it again would not help (EX_CONFIG). */
export const EXIT_CONFIG = 78;
/** Exit code of a program that gave itself up after it had stopped in order: a new process is the cure (EX_TEMPFAIL). */
const EXIT_STUCK = 75;

/** Whether what is wrong stays wrong at the next start: its message says it all. */
export const isRefusal = (error: unknown): error is Error =>
  error instanceof ConfigError || error instanceof JobTypesError || error instanceof RedisSettingsError;

type Program<Config extends Environment> = {
  name: 'api' | 'runner' | 'relay';
  env: NodeJS.ProcessEnv;
  /** What it is configured with, out of an environment. Throws ConfigError. */
  readConfig(env: NodeJS.ProcessEnv): Config;
  /**
   * Starts the program; gives how to stop it. `stop` must end within the drain time. `stuck` resolves when the
   * program finds itself broken: it is stopped then as by a signal, and exits with a code of its own.
   */
  start(config: Config, log: Log): Promise<{ stop(): Promise<void>; stuck?: Promise<void> | undefined }>;
};

/** Runs a program until SIGTERM, SIGINT, or the end of the parent that started it; then stops it and exits 0. */
export async function runProgram<Config extends Environment>({
  name,
  env,
  readConfig,
  start,
}: Program<Config>): Promise<void> {
  let config: Config;
  try {
    config = readConfig(env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(EXIT_CONFIG);
  }
  const log = createLog({ level: config.LOG_LEVEL, name });
  // A bug in a library must not leave a half-dead process behind: the task is recovered, the process replaced.
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log.error({ error }, event);
      process.exit(1);
    });
  }
  const asked = Promise.withResolvers<string>();
  // A second SIGTERM, as process groups and wrappers send it, must not cut the drain short, which is bounded anyway. A
  // second Ctrl-C is a person's who does not want to wait.
  process.on('SIGTERM', () => asked.resolve('SIGTERM'));
  process.once('SIGINT', () => asked.resolve('SIGINT'));
  if (env.BEANLINE_PARENT === '1') {
    process.stdin.once('close', () => asked.resolve('the parent is gone'));
    process.stdin.resume();
  }
  try {
    const running = await Promise.race([start(config, log), asked.promise.then(() => null)]);
    if (running === null) process.exit(0);
    const end = await Promise.race([
      asked.promise.then((reason) => ({ reason, code: 0 })),
      ...(running.stuck ? [running.stuck.then(() => ({ reason: 'stuck', code: EXIT_STUCK }))] : []),
    ]);
    log.info({ reason: end.reason }, 'stopping');
    await running.stop();
    process.exit(end.code);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(EXIT_CONFIG);
  }
}
