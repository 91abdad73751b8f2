/** The model that answers when a request names none: asked once for all runners of one `npm start`, and told in its welcome. */
import { TaskError } from '../../shared/src/errors.ts';
import { createLog } from '../../shared/src/log.ts';
import { createProviders } from '../../shared/src/models/create-providers.ts';
import type { ModelVariables } from '../../shared/src/models/variables.ts';

const ASK_MS = 1_000;

/** What to tell of the model, and what runners are told of it: nothing while it is not known, so that they ask for themselves. */
export async function defaultModel(config: ModelVariables): Promise<{ line: string; env: { DEFAULT_MODEL?: string } }> {
  const providers = await createProviders(config, createLog({ level: 'silent', name: 'start' }));
  const { name, place } = providers.default;
  try {
    const model = await providers.defaultModel(AbortSignal.timeout(ASK_MS));
    return { line: `${model} (${place})`, env: { DEFAULT_MODEL: model } };
  } catch (error) {
    const why = error instanceof TaskError ? error.message : 'It did not answer in time.';
    return { line: `not known yet, ${name} (${place}): ${why}`, env: {} };
  }
}
