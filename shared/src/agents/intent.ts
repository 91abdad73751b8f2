/** What a request may want. */
import { z } from 'zod';

export const intents = [
  'chat',
  'rag',
  'web_search',
  'agent',
  'multi_agent',
  'kg',
  'google_drive',
  'google_docs',
  'google_gmail',
  'google_calendar',
  'google_sheets',
  'audio',
  'vision',
  'ocr',
  'code',
  'evaluation',
] as const;

export const Intent = z.enum(intents).meta({ id: 'Intent', description: 'What a request wants' });
export type Intent = z.infer<typeof Intent>;

/** What a request was understood as. `secondary_intents` has at most two, the likelier one first. */
export type Classification = {
  primary_intent: Intent;
  /** From 0 to 1. */
  confidence: number;
  secondary_intents: Intent[];
  /** What the request names, by kind: `urls`, `emails`, `dates`, `file_types`. Kinds of which there is none are absent. */
  extracted_entities: Record<string, string[]>;
  /** For people: what spoke for it. */
  reasoning: string;
};
