/** All job types. Adding one is a file beside this and a line here. */
import type { Catalog, JobType } from '../job-type.ts';
import { chatRequest } from './chat-request.ts';

const all: JobType[] = [chatRequest];

export const catalog: Catalog = new Map(all.map((type) => [type.name, type]));
