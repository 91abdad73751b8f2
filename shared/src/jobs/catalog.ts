/** All job types. Adding one is a file beside this and a line here; one of another repository is a file in JOBS_DIR. */
import type { Catalog, JobType } from '../job-type.ts';
import { chatClassify } from './agentic/chat-classify.ts';
import { ownJobTypes } from './catalog/own-job-types.ts';
import type { JobVariables } from './catalog/variables.ts';
import { agenticRequest } from './chat/agentic/agentic-request.ts';
import { chatRequest } from './chat/chat-request.ts';
import { sessionSummary } from './session/session-summary.ts';
import { sessionTitle } from './session/session-title.ts';

const all: JobType[] = [chatRequest, agenticRequest, chatClassify, sessionTitle, sessionSummary];

const catalogOf = (types: readonly JobType[]): Catalog => new Map(types.map((type) => [type.name, type]));

/** Those that are built in. */
export const catalog = catalogOf(all);

/** Those of JOBS_DIR too. Throws JobTypesError. */
export async function openCatalog({ JOBS_DIR }: JobVariables): Promise<Catalog> {
  return JOBS_DIR === undefined ? catalog : catalogOf([...all, ...(await ownJobTypes(JOBS_DIR, all))]);
}
