/** What every part of the bench works with: programs that end with the part, and measurements taken in turns. */
import { setTimeout as delay } from 'node:timers/promises';
import type { How } from './program.ts';
import type { Section } from './report.ts';

type Stoppable = { stop(): unknown };

export type Bench = {
  how: How;
  /** `--against <dir>`: how the programs of another checkout are started, to take turns with ours. */
  other?: How | undefined;
  /** Keeps what was started until the part is over; then it is stopped, the last one first. */
  open<T extends Stoppable>(starting: T | Promise<T>): Promise<T>;
};

/** One part of the bench: a file in `parts/`, and a line in `parts.ts`. */
export type BenchPart = {
  /** By which the command line knows it. */
  name: string;
  /** It takes long: measured only when named, or with `--write`. */
  long?: true;
  /** It measures `bench.other` too. */
  pairs?: true;
  /** Measures, and gives its tables. */
  measure(bench: Bench): Promise<Section[]>;
};

/** Runs a part and stops what it opened, also when it fails. */
export async function runPart({ measure }: BenchPart, hows: { how: How; other?: How | undefined }): Promise<Section[]> {
  const opened: Stoppable[] = [];
  try {
    return await measure({
      ...hows,
      async open(starting) {
        const started = await starting;
        opened.push(started);
        return started;
      },
    });
  } finally {
    for (const program of opened.reverse()) await program.stop();
  }
}

/**
 * Runs the variants in turn, `rounds` times, after warm-ups that do not count: a noisy machine is unfair to none. Every
 * second round goes backwards, so that none always follows the same one.
 */
export async function inTurns<Variants extends Record<string, () => Promise<number>>>(
  variants: Variants,
  { rounds, warmUps, restMs = 0 }: { rounds: number; warmUps: number; restMs?: number },
): Promise<{ [Name in keyof Variants]: number[] }> {
  const turns = Object.entries(variants).map(([name, measure]) => ({ name, measure, values: [] as number[] }));
  for (let round = -warmUps; round < rounds; round++) {
    for (const { measure, values } of round % 2 === 0 ? turns : turns.toReversed()) {
      const value = await measure();
      if (round >= 0) values.push(value);
      await delay(restMs);
    }
  }
  return Object.fromEntries(turns.map(({ name, values }) => [name, values])) as { [Name in keyof Variants]: number[] };
}

/** One ratio per round. */
export const each = (above: number[], below: number[]) =>
  above.map((value, index) => value / (below[index] ?? Number.NaN));
