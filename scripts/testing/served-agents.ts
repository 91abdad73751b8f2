/** A whole beanline in the test's own process, a scripted model, and a folder in which tools write what they did. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { servedChats } from './served-chats.ts';

/** The lines of a file; none where there is no file. */
export const linesOf = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []);

/** A call as a script of turns has it. */
export const call = (name: string, given: unknown) => ({ name, arguments: given });

/** All runs until the tests of the file are over. */
export async function servedAgents() {
  const served = await servedChats();
  const folder = await mkdtemp(join(tmpdir(), 'beanline-agents-'));
  after(() => rm(folder, { recursive: true }));
  let files = 0;
  return { ...served, newFile: () => join(folder, `notes-${++files}`) };
}
