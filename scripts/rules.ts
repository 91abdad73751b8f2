/** `npm run rules`, part of `npm run check`: prints what breaks a rule of the rooms, and exits 1 if anything does. */
import { globSync, readFileSync } from 'node:fs';
import { check } from './rules/check.ts';

const paths = globSync(
  ['shared/src', 'apps/*/src', 'workers/*/src', 'scripts'].map((root) => `${root}/**/*.{ts,mjs,lua}`),
);
const problems = check(paths.sort().map((path) => ({ path, text: readFileSync(path, 'utf8') })));
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
