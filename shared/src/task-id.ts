/**
 * Task ids: `task_` + 9 characters of time + 2 of partition + 14 random, in an alphabet whose byte order is its value
 * order. Ids sort by creation and say which partition holds the task, so no look-up is needed to find it.
 */
import { createHash } from 'node:crypto';
import { customAlphabet } from 'nanoid';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const TIME_LENGTH = 9;
const PARTITION_LENGTH = 2;
const RANDOM_LENGTH = 14;
const random = customAlphabet(ALPHABET, RANDOM_LENGTH);
const PATTERN = new RegExp(`^task_[${ALPHABET}]{${TIME_LENGTH + PARTITION_LENGTH + RANDOM_LENGTH}}$`);
const TIMED = new RegExp(`^[a-z]+_([${ALPHABET}]{${TIME_LENGTH}})[${ALPHABET}]{${PARTITION_LENGTH + RANDOM_LENGTH}}`);

/** The most partitions an id can name. */
export const MAX_PARTITIONS = 32 ** PARTITION_LENGTH;

function encode(value: number, length: number): string {
  let text = '';
  let rest = value;
  for (let i = 0; i < length; i++) {
    text = ALPHABET.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

/** A new id. `now` in ms since the epoch; ≥ 70 random bits. */
export function makeTaskId(now: number, partition: number): string {
  return `task_${encode(now, TIME_LENGTH)}${encode(partition, PARTITION_LENGTH)}${random()}`;
}

/** Letters of an id behind its prefix. */
export const TASK_ID_LENGTH = TIME_LENGTH + PARTITION_LENGTH + RANDOM_LENGTH;
const randomTail = customAlphabet(ALPHABET, PARTITION_LENGTH + RANDOM_LENGTH);

/** An id of something that lives in no partition, as long as a task's and sorted by time as well: 80 random bits. */
export const makeTimeId = (prefix: string, now: number) => `${prefix}${encode(now, TIME_LENGTH)}${randomTail()}`;

/** In the year 3084: the last one that an id can hold. */
const MAX_TIME = 32 ** TIME_LENGTH - 1;

/** The same id with another time in it: it sorts there, and is still no other's. A time that no id holds becomes the next that one does. */
export const withTime = (id: string, ms: number) =>
  `${id.slice(0, -TASK_ID_LENGTH)}${encode(Math.max(0, Math.min(ms, MAX_TIME)), TIME_LENGTH)}${id.slice(-PARTITION_LENGTH - RANDOM_LENGTH)}`;

/** The time (ms) in an id, of whatever kind; null when it has none. */
export function timeOf(id: string): number | null {
  const letters = TIMED.exec(id)?.[1];
  if (letters === undefined) return null;
  let time = 0;
  for (const letter of letters) time = time * 32 + ALPHABET.indexOf(letter);
  return time;
}

export const timeIdPattern = (prefix: string) => new RegExp(`^${prefix}[${ALPHABET}]{${TASK_ID_LENGTH}}$`);

/** The partition a task lives in, or null when `id` is not a task id. */
export function partitionOf(id: string, partitions: number): number | null {
  if (!PATTERN.test(id)) return null;
  const at = 'task_'.length + TIME_LENGTH;
  const partition = ALPHABET.indexOf(id.charAt(at)) * 32 + ALPHABET.indexOf(id.charAt(at + 1));
  return partition < partitions ? partition : null;
}

/** Where a submit with an Idempotency-Key lands, so that all its racers meet in one partition. */
export function partitionOfKey(hash: string, partitions: number): number {
  return Number.parseInt(hash.slice(0, 8), 16) % partitions;
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** JSON with sorted keys: the same request has the same fingerprint however its fields were ordered. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  fields.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`).join(',')}}`;
}

/**
 * What stands for an Idempotency-Key's hash once only the store has its task: 64 bits of it as a number, which a set of Redis
 * keeps in 8 bytes. Two keys in the same place are no error: the store says whose task it is.
 */
export const archivedKeyOf = (hash: string) => BigInt.asIntN(64, BigInt(`0x${hash.slice(4, 20)}`)).toString();
