/** What the models of a server do not take, as far as they have said so: from the first refusal on they are asked without. */
import { ProviderRefusal } from './answer-error.ts';

/**
 * Parameters that one model does not take, by their names in a request; and, with a `+` before them, what it wants besides.
 */
export type Refused = ReadonlySet<string>;

/** What a refusal says that is to be done otherwise; undefined when it says nothing of the kind. */
function changeIn(error: unknown): string | undefined {
  if (!(error instanceof ProviderRefusal) || error.parameter === undefined) return undefined;
  if (error.reason === 'wanted') return `+${error.parameter}`;
  return error.reason === 'parameter' ? error.parameter : undefined;
}

export function rememberRefused() {
  const byModel = new Map<string, Refused>();
  /**
   * Sends a call until its model takes all of it. `send` throws the refusals; each is about something that was sent, so that
   * each further call is sent fewer, or one under another name. What a model never takes is remembered; what it did not take
   * of this call is another call's again.
   */
  return async function untilTaken<Answer>(
    model: string,
    send: (refused: Refused) => Promise<Answer>,
  ): Promise<Answer> {
    let refused: Refused = byModel.get(model) ?? new Set();
    for (;;) {
      try {
        return await send(refused);
      } catch (error) {
        const change = changeIn(error);
        if (change === undefined) throw error;
        // It has it, and wants another one: then nothing is known of what it wants.
        if (refused.has(change) && error instanceof ProviderRefusal)
          throw new ProviderRefusal(error.message, { reason: 'request' });
        refused = new Set(refused).add(change);
        if (!(error instanceof ProviderRefusal) || error.always || error.reason === 'wanted')
          byModel.set(model, new Set(byModel.get(model)).add(change));
      }
    }
  };
}

/** What is said of parameters that were left out; undefined when there are none. */
export const withoutNote = (lost: readonly string[]) =>
  lost.length === 0 ? undefined : `The model does not take ${lost.join(', ')}: it answered without.`;
