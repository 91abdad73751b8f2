/**
 * Owners: whom tasks belong to, and the API keys that speak for them. A key is seen once, when it is made; everything
 * that is kept or compared is its SHA-256, which for a random key of 190 bits needs no salt and no slow hash.
 */
import { customAlphabet } from 'nanoid';
import { z } from 'zod';
import { sha256 } from './task-id.ts';

/** The one owner there is while no API keys exist. */
export const OPEN_OWNER = 'local';

/** `submit`: submit, retry, cancel. `read`: tasks and events. `admin`: both, and every owner's tasks. */
export const scopes = ['submit', 'read', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** What a key may do when nothing else was said, those of `API_KEYS` included. */
export const DEFAULT_SCOPES: readonly Scope[] = ['submit', 'read'];

/** Owners come from the operator; they become part of Redis keys, so they hold no `:` and no braces. */
export const OwnerName = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'must be 1–64 letters, digits, ., _ or -');

/** What Redis keeps of a key, under its hash. Times are ms since the epoch, by Redis TIME. */
export const ApiKey = z.object({
  v: z.literal(1),
  id: z.string(),
  owner: OwnerName,
  // A scope of a newer release means nothing here.
  scopes: z.array(z.string()).transform((names) => scopes.filter((scope) => names.includes(scope))),
  created_at: z.number(),
  expires_at: z.number().optional(),
  label: z.string().optional(),
});
export type ApiKey = z.output<typeof ApiKey>;

const RANDOM_LENGTH = 32;
const random = customAlphabet('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', RANDOM_LENGTH);
const OWN_KEY = new RegExp(`^bl_[0-9A-Za-z]{${RANDOM_LENGTH}}$`);

/** A new key: 190 random bits. */
export const makeApiKey = () => `bl_${random()}`;

/** Whether a token may be one of ours; another one need not be looked up. */
export const isOwnKey = (token: string) => OWN_KEY.test(token);

/** The name of a key that says nothing of it: the beginning of its hash. */
export const apiKeyId = (hash: string) => hash.slice(0, 12);

export const hashApiKey = sha256;

/** RFC 6750, and RFC 9110's token68. */
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;
const MAX_TOKEN_LENGTH = 512;

/** The token of an Authorization header, or null when it is not one of the scheme Bearer. */
export function bearerToken(header: string): string | null {
  const token = BEARER.exec(header)?.[1];
  return token !== undefined && token.length <= MAX_TOKEN_LENGTH ? token : null;
}

/** True when the scope, or `admin`, is among these. */
export const allows = (given: readonly Scope[], scope: Scope) => given.includes(scope) || given.includes('admin');
