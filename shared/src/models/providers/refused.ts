/** What the models of a server do not take, as far as they have said so: from the first refusal on they are asked without. */
import { ProviderRefusal } from './answer-error.ts';

/** Parameters that one model does not take, by their names in a request. */
export type Refused = ReadonlySet<string>;

/** What a refusal says that a model does not take, of what it was sent; undefined when it says nothing of the kind. */
const unknownParameter = (error: unknown): string | undefined =>
  error instanceof ProviderRefusal && error.reason === 'parameter' ? error.parameter : undefined;

export function rememberRefused() {
  const byModel = new Map<string, Refused>();
  /**
   * Sends a call until its model takes all of it. `send` throws the refusals; each is about something that was sent, so that
   * each further call is sent fewer, or one under another name.
   */
  return async function untilTaken<Answer>(
    model: string,
    send: (refused: Refused) => Promise<Answer>,
  ): Promise<Answer> {
    for (;;) {
      const refused = byModel.get(model) ?? new Set();
      try {
        return await send(refused);
      } catch (error) {
        const parameter = unknownParameter(error);
        if (parameter === undefined) throw error;
        byModel.set(model, new Set(byModel.get(model)).add(parameter));
      }
    }
  };
}

/** What is said of parameters that were left out; undefined when there are none. */
export const withoutNote = (lost: readonly string[]) =>
  lost.length === 0 ? undefined : `The model does not take ${lost.join(', ')}: it answered without.`;
