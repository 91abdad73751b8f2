/** What `npm run smoke` does with agents: a run that asks whether its tool may run, and is answered. */
import assert from 'node:assert/strict';
import { chat, checkEnded, followToEnd, getTask, post, visibleText } from './testing/client.ts';

export const agentSteps = (url: string): [string, () => Promise<string | undefined>][] => [
  [
    'an agent asks whether its tool may run, and goes on when it is answered',
    async () => {
      const asks = {
        proposal_action: 'custom_spec',
        proposal_pipeline: ['current_time', 'chat'],
        require_approval: ['chat'],
      };
      const body = chat('The bean is green. What colour is the bean?', asks);
      const parked = await post(url, '/api/chat/agentic', body, { Prefer: 'wait=30' });
      assert.equal(parked.json.status, 'input_required');
      const id = parked.json.task_id;
      const { approval } = (await getTask(url, id)).json;
      const path = `/tasks/${id}/approvals/${approval.approval_id}`;
      const { json } = await post(url, path, { action: 'run' }, { Prefer: 'wait=30' });
      assert.match(json.output.content, /bean is green/);
      const seen = await followToEnd(url, id);
      await checkEnded(url, id, seen);
      assert.equal(visibleText(seen), json.output.content);
      return `${json.output.tool_count} tools`;
    },
  ],
];
