/** All job types. Adding one is a file beside this and a line here. */
import type { Catalog, JobType } from '../job-type.ts';
import { chatRequest } from './chat/chat-request.ts';
import { sessionSummary } from './session/session-summary.ts';
import { sessionTitle } from './session/session-title.ts';

const all: JobType[] = [chatRequest, sessionTitle, sessionSummary];

export const catalog: Catalog = new Map(all.map((type) => [type.name, type]));
