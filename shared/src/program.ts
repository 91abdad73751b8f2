/** What all programs share: how they start, what makes them give up, and how they are told to stop. */
import { ConfigError, type Environment, readConfig } from './config.ts';
import { createLog, type Log } from './log.ts';
import { RedisSettingsError } from './redis/connect.ts';

/** Exit code of a program whose configuration or Redis is not fit: restarting it would not help. */
const EXIT_UNFIT = 78;

type Program = {
  name: 'api' | 'runner' | 'relay';
  /** Starts the program; gives how to stop it. `stop` must end within the drain time. */
  start(config: Environment, log: Log): Promise<{ stop(): Promise<void> }>;
};

/** Runs a program until SIGTERM, SIGINT, or the end of the parent that started it; then stops it and exits 0. */
export async function runProgram({ name, start }: Program): Promise<void> {
  let config: Environment;
  try {
    config = readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(EXIT_UNFIT);
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
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => asked.resolve(signal));
  if (process.env.BEANLINE_PARENT === '1') {
    process.stdin.once('close', () => asked.resolve('the parent is gone'));
    process.stdin.resume();
  }
  try {
    const running = await Promise.race([start(config, log), asked.promise.then(() => null)]);
    if (running === null) process.exit(0);
    log.info({ reason: await asked.promise }, 'stopping');
    await running.stop();
  } catch (error) {
    if (!(error instanceof RedisSettingsError || error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(EXIT_UNFIT);
  }
  process.exit(0);
}
