/** A run: what was asked, what the run has of its own, and what comes of it. */
import type { Context } from '../../context.ts';
import type { ChatMessage, ChatTool, Usage } from '../../provider.ts';
import type { Classification, Intent } from '../intent.ts';
import type { CallSettings, ToolOutcome } from '../tool.ts';

/** How tools are chosen: by a model that calls them, or one after the other by what was understood. */
export type Mode = 'loop' | 'pipeline';

/** A request, checked. `messages` is the whole conversation, the session's window included. */
export type AgentRequest = {
  messages: ChatMessage[];
  model: string | undefined;
  /** What every model turn, and every tool that is a prompt, is asked with. */
  settings: CallSettings;
  forceIntent: Intent | undefined;
  mode: Mode | undefined;
  /** Names; undefined: all that are available. */
  tools: readonly string[] | undefined;
  toolOptions: Readonly<Record<string, unknown>>;
  clientTools: readonly ChatTool[];
  parallel: boolean;
  /** The tools of a pipeline, in order, that the client wants instead of the proposed ones. */
  pipeline: readonly string[] | undefined;
  /** Beside what the tools ask for: all calls, or those of the tools named. */
  requireApproval: boolean | readonly string[];
  approvalTimeoutMs: number;
  onExpiry: 'expire' | 'resume';
  maxSteps: number;
  maxTotalTokens: number | undefined;
  /** What the model can read, in tokens, where nobody says it. */
  contextTokens: number;
};

/** What the answer of a run is made of. */
export type Answered = {
  content: string;
  finishReason: string;
  model: string;
  provider: string;
  steps: number;
};

/** What came of a run. */
export type AgentOutput = {
  success: boolean;
  content: string;
  tool_count: number;
  results: ToolOutcome[];
  intent: Classification;
  mode: Mode;
  model: string;
  provider: string;
  finish_reason: string;
  /** What the client has said meanwhile; absent when it has said nothing. */
  heard?: ChatMessage['content'][];
  /** Model turns of a loop, tools of a pipeline. */
  steps: number;
};

/** A run under way. It is gone through again from its start by each attempt; what is finished is found in its steps. */
export type AgentRun = {
  context: Context;
  request: AgentRequest;
  query: string;
  intent: Classification;
  results: readonly ToolOutcome[];
  /** What the client has said while it ran, in the order in which it was heard. */
  heard: ChatMessage['content'][];
  /** Adds to the results, also to those that are kept when the run ends early. */
  noteResults(outcomes: readonly ToolOutcome[]): void;
  /** Counts a model turn of a loop or a tool of a pipeline that is finished, also for what is kept when the run ends early. */
  noteStep(by: { model: string; provider: string } | undefined): void;
  /** What was told once already, by its step. */
  told: Set<string>;
  /** Tokens of the steps that are finished. */
  tokens: number;
  /** What the model can read, in tokens. */
  contextTokens: number;
  /** More than may be kept was found: nothing more is begun. */
  isFull: boolean;
  /** Aborts when the attempt's time is nearly over: what runs then ends with what it has. */
  over: AbortSignal;
};

/** Stands for the model and the provider of an answer that no model gave. */
export const NO_MODEL = 'none';

/** Why a run ends before its work is done, with what it has. */
export const LIMIT = 'limit';

export const tokensOf = ({ inputTokens, outputTokens }: Usage) => inputTokens + outputTokens;

/** Whether the run may begin something more. */
export const isOver = ({ request, tokens, isFull, over }: AgentRun) =>
  isFull || over.aborted || (request.maxTotalTokens !== undefined && tokens >= request.maxTotalTokens);
