/**
 * A small supervisor of child processes. What dies is started again, slower each time it dies young, and one that dies
 * in a loop is told with the last lines of its log. A program that says its configuration is not acceptable is given up.
 * On `stop` the programs are asked to end, then made to, and the last ones (Redis) only when the others are gone. It acts on the
 * handles of the children it started, never on names. Own code, because process managers such as pm2 are daemons with
 * a state of their own.
 */
import { type KeepOptions, keepRunning, type Program } from './keep-running.ts';

export type SupervisorOptions = KeepOptions & {
  /** From SIGTERM to SIGKILL. */
  graceMs: number;
  /** The same for the programs that are last. */
  lastGraceMs?: number;
};

/** Supervises programs until `stop`. */
export function supervisor(options: SupervisorOptions) {
  const kept = new Map<string, ReturnType<typeof keepRunning>>();
  let stopping: Promise<void> | undefined;

  async function stopAll(): Promise<void> {
    const all = [...kept.values()];
    for (const one of all) one.letGo();
    const first = all.filter(({ program }) => !program.last);
    await Promise.all(first.map((one) => one.end(options.graceMs)));
    const last = all.filter(({ program }) => program.last);
    await Promise.all(last.map((one) => one.end(options.lastGraceMs ?? options.graceMs)));
  }

  return {
    /** Starts a program and keeps it running. */
    start(program: Program): void {
      if (!stopping) kept.set(program.name, keepRunning(program, options));
    },
    /** Ends everything; resolves when all children are gone. Repeated calls share one stop. */
    stop(): Promise<void> {
      stopping ??= stopAll();
      return stopping;
    },
    /** SIGKILL to all children, at once. */
    kill(): void {
      stopping ??= stopAll();
      for (const one of kept.values()) one.kill();
    },
    /** The process id of a running program, and how often it was started again. */
    state: (name: string) => kept.get(name)?.state() ?? { pid: undefined, restarts: 0 },
  };
}
