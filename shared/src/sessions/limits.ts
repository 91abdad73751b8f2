/** Limits of sessions; docs/configuration.md has their variables. */
export type SessionLimits = {
  /** Recent messages that a model is shown, and the tokens that they, the summary and the instructions may take. */
  contextMessages: number;
  contextTokens: number;
  /** Messages from which a session is summarised. */
  summaryAfterMessages: number;
  /** Whether titles and summaries are made at all. */
  autoTitles: boolean;
};
