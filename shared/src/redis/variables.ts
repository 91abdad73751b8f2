/** Where Redis is, how tasks are spread over it, and what is cached there. */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { MAX_PARTITIONS } from '../task-id.ts';
import { bytes, DAY, MINUTE, MiB, milliseconds, whole } from '../variable.ts';
import { parseRedisUrl, partitionsOf } from './address.ts';

const about = `
One server, a Cluster or a Sentinel's master, by \`REDIS_URL\`; \`rediss\` instead of \`redis\` is TLS
(\`rediss+sentinel\`: to the Sentinels and to the master, so both must speak it), and user and password are percent-encoded:

\`\`\`
redis://[user:password@]host[:port][/db]
redis://[user:password@]host:port,host:port,host:port            a Cluster: any of its nodes
redis+cluster://host:port                                        a Cluster behind one address
redis+sentinel://[user:password@]host,host,host/master[/db]      ?sentinel_username=…&sentinel_password=…
\`\`\`

It must have \`maxmemory-policy noeviction\` and \`appendonly yes\`; a program refuses to start on any other. \`PARTITIONS\` is
fixed when the data is created. On a Cluster each task lives on the master of its partition: while one master is away the
others go on, as far as the Cluster itself allows (\`cluster-require-full-coverage no\`), and limits per queue hold for each
partition. Replication is asynchronous: a failover may lose what was said, or accepted, in the last moments before it. What
it lost of a running task is noticed: the attempt is repeated, and readers get a \`gap\`. [More](operating.md).`;

export const RedisVariables = z
  .object({
    REDIS_URL: z
      .string()
      .superRefine((text, context) => {
        try {
          parseRedisUrl(text);
        } catch (error) {
          context.addIssue({ code: 'custom', message: (error as Error).message });
        }
      })
      .default('redis://127.0.0.1:6379')
      .meta({
        description: 'your Redis ≥ 7 or Valkey, in the forms below. Unset, `npm start` runs its own in `DATA_DIR`',
      }),
    REDIS_CA_FILE: z.string().min(1).refine(existsSync, 'is a file that does not exist').optional().meta({
      description: 'certificate authority of `rediss://…`, in PEM, when it is a private one',
    }),
    // The probe's connection is given up after three seconds of silence by itself.
    REDIS_TIMEOUT_MS: milliseconds(200, 3_000, 300).meta({
      description: 'after which a silent Redis counts as away, and requests get their 503',
    }),
    KEY_PREFIX: z
      .string()
      .regex(/^[a-zA-Z0-9_-]{1,20}$/, 'must be 1–20 letters, digits, - or _')
      .default('bl')
      .meta({ description: 'first part of every Redis key' }),
    PARTITIONS: whole(1, MAX_PARTITIONS).optional().meta({
      min: 1,
      max: MAX_PARTITIONS,
      description: 'slot groups the tasks are spread over; fixed when the data is created. Unset 1, on a Cluster 64',
    }),
    CLOCK_TOLERANCE_MS: milliseconds(10, DAY, 1_000).meta({
      description: 'a clock further off that of Redis is told of in the log and in `/readyz`',
    }),
    ANSWER_CACHE_MS: milliseconds(1_000, 30 * DAY, 60 * MINUTE).meta({
      description: 'how long the answer of a request with `cache` is kept',
    }),
    ANSWER_CACHE_BYTES: bytes(1_024, MiB, 64 * 1024).meta({ description: 'largest answer that is kept' }),
  })
  .meta({ title: 'Redis', description: about })
  .transform((given) => ({ ...given, PARTITIONS: given.PARTITIONS ?? partitionsOf(parseRedisUrl(given.REDIS_URL)) }));
export type RedisVariables = z.output<typeof RedisVariables>;
