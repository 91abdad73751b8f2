/** The job types of a folder: each `.ts` or `.js` file directly in it exports at least one. */
import { readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { JobType } from '../../job-type.ts';
import { problemsOf } from './check-job-types.ts';
import { giveOurs } from './own-imports.ts';
import { failureOf, placeOf } from './own-places.ts';

/** Thrown when a file of the folder is broken; its message has the name and the line of each place. */
export class JobTypesError extends Error {
  constructor(problems: string[]) {
    super(`The job types of JOBS_DIR are not valid:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'JobTypesError';
  }
}

const IS_FILE = /^[^.].*(?<!\.d|\.test)\.[jt]s$/;
const HOW = "export const haikuWrite = defineJobType({ name: 'haiku.write', … })";

/** Not by its making: a file may bring what it made itself, and is to hear what is wrong with that. */
const isJobType = (value: unknown): value is JobType =>
  typeof value === 'object' && value !== null && 'name' in value && ('run' in value || 'input' in value);

function filesOf(folder: string): string[] {
  try {
    const names = readdirSync(folder).filter((name) => IS_FILE.test(name));
    return names.sort().map((name) => join(realpathSync(folder), name));
  } catch (error) {
    throw new JobTypesError([`JOBS_DIR: ${folder} cannot be read: ${(error as Error).message}`]);
  }
}

/** All job types of the folder. Throws JobTypesError, with everything that is wrong with them beside those that there are. */
export async function ownJobTypes(folder: string, builtin: readonly JobType[]): Promise<JobType[]> {
  const files = filesOf(folder);
  giveOurs(pathToFileURL(`${realpathSync(folder)}/`).href);
  const problems: string[] = [];
  const places = new Map<JobType, (field: string) => string>();
  for (const file of files) {
    try {
      const exports: Record<string, unknown> = await import(pathToFileURL(file).href);
      const own = Object.entries(exports).filter((entry): entry is [string, JobType] => isJobType(entry[1]));
      for (const [name, type] of own) places.set(type, (field) => placeOf(file, name, field));
      if (own.length === 0) problems.push(`${file}:1: exports no job type: ${HOW}`);
    } catch (error) {
      problems.push(failureOf(file, error));
    }
  }
  const own = [...places.keys()];
  for (const { type, field, message } of problemsOf([...builtin, ...own]))
    problems.push(`${places.get(type)?.(field) ?? type.name}: ${field}: ${message}`);
  if (problems.length > 0) throw new JobTypesError(problems);
  return own;
}
