/** Who may ask, and how much. */
import { z } from 'zod';
import { hashApiKey, OwnerName } from '../owner.ts';
import { count, listed } from '../variable.ts';

/** `owner:key,owner:key` as a map from the hash of each key to its owner: no key is kept, and no message quotes one. */
const apiKeys = z
  .string()
  .transform((text, context) => {
    const owners = new Map<string, string>();
    for (const [index, part] of listed(text).entries()) {
      const [, owner = '', key = ''] = /^([^:]*):([A-Za-z0-9._~+/-]{16,500}=*)$/.exec(part) ?? [];
      const hash = hashApiKey(key);
      if (!OwnerName.safeParse(owner).success) {
        const message = `entry ${index + 1} is not owner:key, the key at least 16 letters, digits or -._~+/`;
        context.addIssue({ code: 'custom', message });
      } else if (owners.has(hash)) context.addIssue({ code: 'custom', message: `entry ${index + 1} repeats a key` });
      else owners.set(hash, owner);
    }
    return owners;
  })
  .default(new Map<string, string>());

export const OwnerVariables = z
  .object({
    API_KEYS: apiKeys.meta({
      description: '`owner:key,owner:key`: keys besides those in Redis, each at least 16 characters',
    }),
    RATE_LIMIT: count(0, 1_000_000, 1_000).meta({
      description: 'requests per second of one owner over all API processes → 429; 0 lifts it',
    }),
  })
  .meta({ title: 'Owners' });
export type OwnerVariables = z.output<typeof OwnerVariables>;
