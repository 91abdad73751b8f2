/** A whole beanline in the test's own process, a scripted model, and a folder in which tools write what they did. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { servedChats } from './served-chats.ts';

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
