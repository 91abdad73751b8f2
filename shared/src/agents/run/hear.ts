import type { ChatMessage } from '../../provider.ts';
import type { AgentRun } from './agent-run.ts';

/** What the client has sent for the step of this key, which is to begin next. */
export async function hear(run: AgentRun, key: string): Promise<ChatMessage[]> {
  const heard = (await run.context.inbox(key)).map(({ content }) => content);
  run.heard.push(...heard);
  return heard.map((content) => ({ role: 'user', content }));
}
