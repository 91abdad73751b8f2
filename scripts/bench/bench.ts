/** What every part of the bench works with: programs that end with the part, and measurements taken in turns. */
import { setTimeout as delay } from 'node:timers/promises';
import type { How } from './program.ts';
import type { Section } from './report.ts';

type Stoppable = { stop(): unknown };

export type Bench = {
  how: How;
  /** Keeps what was started until the part is over; then it is stopped, the last one first. */
  open<T extends Stoppable>(starting: T | Promise<T>): Promise<T>;
};

/** One part: measures, and gives its tables. */
export type Part = (bench: Bench) => Promise<Section[]>;

/** Runs a part and stops what it opened, also when it fails. */
export async function runPart(part: Part, how: How): Promise<Section[]> {
  const opened: Stoppable[] = [];
  try {
    return await part({
      how,
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

/** Runs the variants in turn, `rounds` times, after warm-ups that do not count: a noisy machine is unfair to none. */
export async function inTurns<Name extends string>(
  variants: Record<Name, () => Promise<number>>,
  { rounds, warmUps, restMs = 0 }: { rounds: number; warmUps: number; restMs?: number },
): Promise<Record<Name, number[]>> {
  const names = Object.keys(variants) as Name[];
  const results = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = -warmUps; round < rounds; round++) {
    for (const name of names) {
      const value = await variants[name]();
      if (round >= 0) results[name].push(value);
      await delay(restMs);
    }
  }
  return results;
}

/** One ratio per round. */
export const each = (above: number[], below: number[]) =>
  above.map((value, index) => value / (below[index] ?? Number.NaN));
