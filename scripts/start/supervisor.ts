/**
 * A small supervisor of child processes. What dies is started again, slower each time it dies young, and one that dies
 * in a loop is told with the last lines of its log. A program that says its configuration is not acceptable is given up.
 * On `stop` the programs are asked to end, then made to, and the last ones (Redis) only when the others are gone. It acts on the
 * handles of the children it started, never on names. Own code, because process managers such as pm2 are daemons with
 * a state of their own.
 */
import type { ChildProcess } from 'node:child_process';

const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 30_000;
const HEALTHY_AFTER_MS = 10_000;
/** Deaths in a row, each of a young program, after which it counts as dying in a loop. */
const LOOP_DEATHS = 5;

/** Exit code of a program whose configuration is unacceptable (EX_CONFIG): starting it again would not help. */
export const EXIT_CONFIG = 78;

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

export type SupervisorOptions = {
  /** From SIGTERM to SIGKILL. */
  graceMs: number;
  /** The same for the programs that are last. */
  lastGraceMs?: number;
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

type Entry = {
  program: Program;
  child: ChildProcess | undefined;
  startedAt: number;
  backoffMs: number;
  timer: NodeJS.Timeout | undefined;
  restarts: number;
  /** How often it has died in a row without having run well in between. */
  deaths: number;
};

/** Whether the n-th death of a loop is told at length: the 5th, 10th, 20th, … */
const isMilestone = (deaths: number) => deaths >= LOOP_DEATHS && Number.isInteger(Math.log2(deaths / LOOP_DEATHS));

/** Supervises programs until `stop`. */
export function supervisor(options: SupervisorOptions) {
  const { healthyAfterMs = HEALTHY_AFTER_MS, maxBackoffMs = MAX_BACKOFF_MS, now = () => performance.now() } = options;
  const entries = new Map<string, Entry>();
  let stopping: Promise<void> | undefined;

  function launch(entry: Entry): void {
    entry.timer = undefined;
    entry.startedAt = now();
    const child = entry.program.spawn();
    entry.child = child;
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return;
      entry.child = undefined;
      options.say(`${entry.program.name} could not be started: ${error.message}`);
      options.onHopeless(entry.program.name, 1);
    });
    const ended = (code: number | null, signal: NodeJS.Signals | null) => died(entry, code, signal);
    // A child that was handed over may have ended before.
    if (child.exitCode !== null || child.signalCode !== null) ended(child.exitCode, child.signalCode);
    else child.once('exit', ended);
  }

  function died(entry: Entry, code: number | null, signal: NodeJS.Signals | null): void {
    entry.child = undefined;
    if (stopping) return;
    const { name } = entry.program;
    const how = signal === null ? `ended with code ${code}` : `was killed by ${signal}`;
    if (code === EXIT_CONFIG) {
      options.say(`${name} ${how}: its configuration is not acceptable`);
      options.onHopeless(name, code);
      return;
    }
    const ranMs = now() - entry.startedAt;
    if (ranMs >= healthyAfterMs) {
      entry.backoffMs = FIRST_BACKOFF_MS;
      entry.deaths = 0;
    }
    entry.deaths++;
    options.say(`${name} ${how} after ${(ranMs / 1000).toFixed(1)} s, starting it again in ${entry.backoffMs} ms`);
    if (isMilestone(entry.deaths)) void explain(entry.program, entry.deaths, how);
    entry.timer = setTimeout(() => {
      entry.restarts++;
      launch(entry);
    }, entry.backoffMs);
    entry.backoffMs = Math.min(entry.backoffMs * 2, maxBackoffMs);
  }

  async function explain({ name, lastWords }: Program, deaths: number, how: string): Promise<void> {
    const lines = (await lastWords?.().catch(() => [])) ?? [];
    if (stopping) return;
    const why =
      lines.length > 0
        ? `the last lines of its log:\n${lines.map((line) => `    ${line}`).join('\n')}`
        : 'it left no log';
    options.say(`${name} dies in a loop: ${deaths} times in a row, at last it ${how}; ${why}`);
  }

  async function endAll(group: Entry[], graceMs: number): Promise<void> {
    await Promise.all(
      group.map(async (entry) => {
        const { child } = entry;
        if (!child) return;
        const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
        child.kill('SIGTERM');
        const timer = setTimeout(() => {
          options.say(`${entry.program.name} did not end within ${graceMs} ms, killing it`);
          child.kill('SIGKILL');
        }, graceMs);
        await gone;
        clearTimeout(timer);
      }),
    );
  }

  async function stopAll(): Promise<void> {
    const all = [...entries.values()];
    for (const entry of all) clearTimeout(entry.timer);
    await endAll(
      all.filter(({ program }) => !program.last),
      options.graceMs,
    );
    await endAll(
      all.filter(({ program }) => program.last),
      options.lastGraceMs ?? options.graceMs,
    );
  }

  return {
    /** Starts a program and keeps it running. */
    start(program: Program): void {
      if (stopping) return;
      const entry: Entry = {
        program,
        child: undefined,
        startedAt: 0,
        backoffMs: FIRST_BACKOFF_MS,
        timer: undefined,
        restarts: 0,
        deaths: 0,
      };
      entries.set(program.name, entry);
      launch(entry);
    },
    /** Ends everything; resolves when all children are gone. Repeated calls share one stop. */
    stop(): Promise<void> {
      stopping ??= stopAll();
      return stopping;
    },
    /** SIGKILL to all children, at once. */
    kill(): void {
      stopping ??= stopAll();
      for (const { child } of entries.values()) child?.kill('SIGKILL');
    },
    /** The process id of a running program, and how often it was started again. */
    state(name: string): { pid: number | undefined; restarts: number } {
      const entry = entries.get(name);
      return { pid: entry?.child?.pid, restarts: entry?.restarts ?? 0 };
    },
  };
}
