/** Which store there is, and how long it may be silent. */
import { z } from 'zod';
import { count, MINUTE, milliseconds } from '../variable.ts';

export const StoreVariables = z
  .object({
    DATA_DIR: z.string().min(1).default('.data').meta({
      description: 'where the SQLite file is, and where `npm start` keeps its state',
    }),
    MONGODB_URI: z
      .string()
      .regex(/^mongodb(\+srv)?:\/\/[^/]/, 'must begin with mongodb:// or mongodb+srv:// and name a host')
      .optional()
      .meta({
        description:
          'the store is [this MongoDB](operating.md#mongodb); unset, an SQLite file in `DATA_DIR`, shared by all programs',
      }),
    MONGODB_DATABASE: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,38}$/, 'must be 1–38 letters, digits, _ or -')
      .default('beanline')
      .meta({ description: 'its database' }),
    MONGODB_POOL: count(1, 1_000, 50).meta({ description: 'most connections of one program to it' }),
    STORE_TIMEOUT_MS: milliseconds(100, MINUTE, 5_000).meta({ description: 'after which the store counts as away' }),
  })
  .meta({ title: 'Store' });
export type StoreVariables = z.output<typeof StoreVariables>;
