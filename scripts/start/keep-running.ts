/** One child process, kept running: what dies is started again, slower each time it dies young. */
import type { ChildProcess } from 'node:child_process';
import { EXIT_CONFIG } from '../../shared/src/program.ts';

const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 30_000;
const HEALTHY_AFTER_MS = 10_000;
/** Deaths in a row, each of a young program, after which it counts as dying in a loop. */
const LOOP_DEATHS = 5;

export type Program = {
  /** Unique; what the messages call it. */
  name: string;
  /** Starts it, anew each time. */
  spawn: () => ChildProcess;
  /** Ends after all programs that are not last. */
  last?: boolean;
  /** The last lines that the program which has just ended wrote to its log, oldest first. */
  lastWords?: () => Promise<string[]>;
};

export type KeepOptions = {
  /** Receives a line per death and restart, with the last lines of the log below it when the program dies in a loop. */
  say: (line: string) => void;
  /** Age from which a program counts as running well: its next death is a first one. */
  healthyAfterMs?: number;
  /** Milliseconds of a clock that nobody sets; a test has one of its own. */
  now?: () => number;
  /** The longest wait between a death and the next start. */
  maxBackoffMs?: number;
  /** A program ended with EXIT_CONFIG, given here, or could not be run at all (1); it is not started again. */
  onHopeless: (name: string, exitCode: number) => void;
};

/** Whether the n-th death of a loop is told at length: the 5th, 10th, 20th, … */
const isMilestone = (deaths: number) => deaths >= LOOP_DEATHS && Number.isInteger(Math.log2(deaths / LOOP_DEATHS));

async function tellLoop({ name, lastWords }: Program, deaths: number, how: string): Promise<string> {
  const lines = (await lastWords?.().catch(() => [])) ?? [];
  const why =
    lines.length > 0
      ? `the last lines of its log:\n${lines.map((line) => `    ${line}`).join('\n')}`
      : 'it left no log';
  return `${name} dies in a loop: ${deaths} times in a row, at last it ${how}; ${why}`;
}

/** Starts a program, and again whenever it ends, until it is let go. */
export function keepRunning(program: Program, options: KeepOptions) {
  const { name } = program;
  const { healthyAfterMs = HEALTHY_AFTER_MS, maxBackoffMs = MAX_BACKOFF_MS, now = () => performance.now() } = options;
  let child: ChildProcess | undefined;
  let startedAt = 0;
  let backoffMs = FIRST_BACKOFF_MS;
  let timer: NodeJS.Timeout | undefined;
  let restarts = 0;
  /** How often it has died in a row without having run well in between. */
  let deaths = 0;
  let isKept = true;

  function launch(): void {
    startedAt = now();
    const started = program.spawn();
    child = started;
    started.once('error', (error: NodeJS.ErrnoException) => {
      if (started.pid !== undefined) return;
      child = undefined;
      options.say(`${name} could not be started: ${error.message}`);
      options.onHopeless(name, 1);
    });
    // A child that was handed over may have ended before.
    if (started.exitCode !== null || started.signalCode !== null) died(started.exitCode, started.signalCode);
    else started.once('exit', died);
  }

  function died(code: number | null, signal: NodeJS.Signals | null): void {
    child = undefined;
    if (!isKept) return;
    const how = signal === null ? `ended with code ${code}` : `was killed by ${signal}`;
    if (code === EXIT_CONFIG) {
      options.say(`${name} ${how}: its configuration is not acceptable`);
      options.onHopeless(name, code);
      return;
    }
    const ranMs = now() - startedAt;
    if (ranMs >= healthyAfterMs) {
      backoffMs = FIRST_BACKOFF_MS;
      deaths = 0;
    }
    deaths++;
    options.say(`${name} ${how} after ${(ranMs / 1000).toFixed(1)} s, starting it again in ${backoffMs} ms`);
    if (isMilestone(deaths)) void tellLoop(program, deaths, how).then((line) => isKept && options.say(line));
    timer = setTimeout(() => {
      restarts++;
      launch();
    }, backoffMs);
    backoffMs = Math.min(backoffMs * 2, maxBackoffMs);
  }

  launch();

  return {
    program,
    /** From now on it is not started again. */
    letGo(): void {
      isKept = false;
      clearTimeout(timer);
    },
    /** Asks it to end, and makes it after `graceMs`. */
    async end(graceMs: number): Promise<void> {
      const ending = child;
      if (!ending) return;
      const gone = new Promise<void>((resolve) => ending.once('exit', () => resolve()));
      ending.kill('SIGTERM');
      const deadline = setTimeout(() => {
        options.say(`${name} did not end within ${graceMs} ms, killing it`);
        ending.kill('SIGKILL');
      }, graceMs);
      await gone;
      clearTimeout(deadline);
    },
    kill: () => child?.kill('SIGKILL'),
    state: () => ({ pid: child?.pid, restarts }),
  };
}
