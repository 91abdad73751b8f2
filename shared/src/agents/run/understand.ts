/** What the request wants. */
import type { StepRun } from '../../context.ts';
import { textOfContent } from '../../session.ts';
import type { Classification } from '../intent.ts';
import { classify } from '../intents/classify.ts';
import { classifyWithModel } from '../intents/classify-with-model.ts';
import { extractEntities } from '../intents/entities.ts';
import type { AgentRequest, Mode } from './agent-run.ts';

/** Of a short attempt the model may take this part: the rest is for the work. */
const MODEL_PART = 0.25;

/** What the user said, latest first. */
const said = ({ messages }: AgentRequest) =>
  messages
    .filter(({ role }) => role === 'user')
    .map(({ content }) => textOfContent(content))
    .reverse();

/** The text of the user's last message. */
export const queryOf = (request: AgentRequest): string => said(request)[0] ?? '';

/**
 * By rules; by a model too where these are not sure and the tools follow from it. In a loop the model chooses them itself, and is
 * not asked twice.
 */
export async function understand(
  request: AgentRequest,
  mode: Mode,
  { llm, signal }: StepRun,
  time: { modelMs: number; leftMs: number },
): Promise<Classification> {
  const [query = '', before] = said(request);
  const { forceIntent, pipeline, model } = request;
  if (forceIntent) {
    const extracted_entities = extractEntities(query);
    const reasoning = 'The request says so.';
    return { primary_intent: forceIntent, confidence: 1, secondary_intents: [], extracted_entities, reasoning };
  }
  if (mode === 'loop' || pipeline) return classify(query, { before });
  const modelMs = Math.min(time.modelMs, Math.max(0, Math.floor(time.leftMs * MODEL_PART)));
  return classifyWithModel(query, { before, llm, signal, model, modelMs });
}
