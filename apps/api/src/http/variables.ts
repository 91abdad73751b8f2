/** What only the API is told: where it listens, and what it takes from a client. */
import type { Environment } from '@beanline/shared/config.ts';
import { bytes, count, listed, MINUTE, MiB, milliseconds } from '@beanline/shared/variable.ts';
import { z } from 'zod';

const isOrigin = (text: string) => URL.canParse(text) && new URL(text).origin === text && !text.includes('*');

/** Exact origins, as browsers send them. */
const origins = z
  .string()
  .transform((text, context) => {
    const list = listed(text);
    for (const part of list.filter((origin) => !isOrigin(origin))) {
      context.addIssue({ code: 'custom', message: `"${part}" is not an origin, such as https://app.example.com` });
    }
    return list;
  })
  .default([]);

export const HttpVariables = z
  .object({
    PORT: count(0, 65_535, 3000).meta({ description: "the API's port; 0 takes a free one" }),
    HOST: z.string().min(1).default('127.0.0.1').meta({
      description: "the API's address. Without API keys only loopback is allowed",
    }),
    CORS_ORIGINS: origins.meta({ description: '`https://app.example.com,…`: web pages that may use keys' }),
    MAX_BODY_BYTES: bytes(1024, 512 * MiB, 10 * MiB).meta({ description: 'request body → 413' }),
    MAX_BODY_DEPTH: count(4, 10_000, 64).meta({ description: 'nesting of a request body → 400' }),
    MAX_BODY_VALUES: count(10, 10_000_000, 100_000).meta({
      description: 'fields and array elements of a request body, all levels together → 400',
    }),
    MAX_HEADER_BYTES: bytes(1024, MiB, 16 * 1024).meta({ description: 'head of a request → 400' }),
    MAX_OWNER_STREAMS: count(1, 1_000_000, 10_000).meta({
      description:
        'open event streams and waits of one owner per API process → 429; a wait beyond it is answered at once',
    }),
    MAX_OWNER_BODY_BYTES: bytes(1024, 8 * 1024 * MiB, 32 * MiB).meta({
      description: 'request bodies of one owner under way at once in one API process → 429; one alone is always read',
    }),
    MAX_BODIES_BYTES: bytes(1024, 64 * 1024 * MiB, 128 * MiB).meta({
      description: 'the same of all owners → 503',
    }),
    MAX_OWNER_ANSWER_BYTES: bytes(1024, 8 * 1024 * MiB, 64 * MiB).meta({
      description:
        'answers to one owner that wait in one API process for their readers to take them, and 256 KiB more for each large one → 503 for new ones',
    }),
    MAX_ANSWER_BYTES: bytes(1024, 64 * 1024 * MiB, 256 * MiB).meta({ description: 'the same of all owners → 503' }),
    REQUEST_TIMEOUT_MS: milliseconds(100, 10 * MINUTE, 10_000).meta({ description: 'slow headers or body → 408' }),
    KEEP_ALIVE_MS: milliseconds(1_000, 60 * MINUTE, 75_000).meta({
      description: 'how long an idle connection stays open; longer than a proxy in front keeps it',
    }),
    HEARTBEAT_MS: milliseconds(50, 10 * MINUTE, 15_000).meta({ description: 'comment heartbeat of event streams' }),
    READER_TIMEOUT_MS: milliseconds(100, 10 * MINUTE, 30_000).meta({
      description:
        'a reader that takes nothing of its answer for this long is cut; that of an event stream resumes by its last id',
    }),
    LEAVE_MS: milliseconds(0, 10 * MINUTE, 0).meta({
      description:
        'how long a stopping API listens at least while `/readyz` is 503, so that load balancers leave first; within `DRAIN_MS`',
    }),
  })
  .meta({ title: 'API' });
export type HttpVariables = z.output<typeof HttpVariables>;

/** What the API is configured with. */
export type ApiEnvironment = Environment & HttpVariables;
