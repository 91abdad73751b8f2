/** `chat.agentic.request`: understands a request, calls tools, asks a person where it must, and answers. */
import type { AgentRequest } from '../../../agents/run/agent-run.ts';
import { partialOutput, runAgent } from '../../../agents/run/run-agent.ts';
import { defineJobType } from '../../../job-type.ts';
import { attachedMessages } from '../attachments.ts';
import { chatTurn } from '../chat-turn.ts';
import { approvalResponse, resultProblems } from './agentic-answer.ts';
import { AgenticInput, settingsOf, wantedPipeline } from './agentic-input.ts';
import { AgenticOutput } from './agentic-output.ts';

/** What a model can read where nobody says it: what most can. */
const CONTEXT_TOKENS = 32_000;

const named = (field: string, names: readonly string[] = []) =>
  names.map((name, index) => ({ path: `${field}[${index}]`, name }));

/** What was said in a run: with it, and while it ran. */
const saidTo = (input: AgenticInput, heard: AgenticOutput['heard'] = []) => [
  ...attachedMessages(input),
  ...heard.map((content) => ({ role: 'user' as const, content })),
];

export const agenticRequest = defineJobType({
  name: 'chat.agentic.request',
  route: '/api/chat/agentic',
  concurrency: 50,
  attempts: 3,
  timeoutMs: 600_000,
  takesMessages: true,
  onBusy: 'queue',
  input: AgenticInput,
  output: AgenticOutput,
  sessionOf: ({ session_id }) => session_id,
  messageOf: (input) => attachedMessages(input).findLast(({ role }) => role === 'user')?.content ?? '',

  callsTools: true,
  askedTools: (input) => ({
    names: [
      ...named('tools', input.tools),
      ...named('proposal_pipeline', input.proposal_pipeline),
      ...named('require_approval', typeof input.require_approval === 'boolean' ? [] : input.require_approval),
    ],
    own: input.client_tools.map(({ name }, index) => ({ path: `client_tools[${index}].name`, name })),
    options: { path: 'tool_options', values: input.tool_options },
  }),
  answerProblems: resultProblems,
  attach: approvalResponse,

  async run(input, context) {
    const { session } = context;
    const request: AgentRequest = {
      messages: await session.window(input.session_id, attachedMessages(input)),
      model: input.model ?? (await session.model(input.session_id)),
      settings: settingsOf(input),
      forceIntent: input.force_intent,
      mode: input.mode,
      tools: input.tools,
      toolOptions: input.tool_options,
      clientTools: input.client_tools.map((tool) => ({ type: 'function' as const, function: tool })),
      parallel: input.parallel,
      pipeline: wantedPipeline(input),
      requireApproval: input.require_approval,
      approvalTimeoutMs: input.approval_timeout_ms,
      onExpiry: input.on_expiry,
      maxSteps: input.max_steps,
      maxTotalTokens: input.max_total_tokens,
      contextTokens: CONTEXT_TOKENS,
    };
    return { role: 'assistant' as const, ...(await runAgent(context, request)) };
  },

  change: (input, task) =>
    input.session_id === undefined ? null : chatTurn(input.session_id, saidTo(input, task.output?.heard), task),

  partial(text, outcome, more) {
    const partial = partialOutput(text, outcome, more);
    return partial && { role: 'assistant' as const, ...partial };
  },
});
