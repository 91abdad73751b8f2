/** A whole beanline in the test's own process, and the model server that its chats are answered by. */
import { after, beforeEach } from 'node:test';
import { startInProcess } from './in-process.ts';
import { slowWords, startUpstream } from './upstream.ts';

/** Both run until the tests of the file are over. Each test begins with a model that answers so. */
export async function servedChats(answer = slowWords(3, 0)) {
  const upstream = await startUpstream();
  const system = await startInProcess({ env: upstream.env });
  after(async () => {
    await system.stop();
    await upstream.stop();
  });
  beforeEach(() => {
    upstream.answer = answer;
  });
  return { system, upstream };
}
