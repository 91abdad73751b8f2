import { existsSync, readFileSync } from 'node:fs';

/** The lines of a file; none where there is no file. */
export const linesOf = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []);
