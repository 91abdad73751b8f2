/** `npm run docs`: writes the pages that are made of the code. */
import { writeFile } from 'node:fs/promises';
import { configurationPage } from './docs/configuration.ts';

await writeFile(new URL('../docs/configuration.md', import.meta.url), configurationPage());
