/** Which errors of the driver say that the store is away for now, so that the same call may succeed later. */

/** Those of them that say that the server was not found, or did not answer. */
const unreachableNames = [
  'MongoNetworkError',
  'MongoNetworkTimeoutError',
  'MongoServerSelectionError',
  'MongoNotConnectedError',
  'MongoPoolClearedError',
  'PoolClearedOnNetworkError',
];

const awayNames = new Set([
  ...unreachableNames,
  'MongoServerClosedError',
  'MongoTopologyClosedError',
  'MongoClientClosedError',
  'MongoStalePrimaryError',
  'MongoPoolClosedError',
  'MongoWaitQueueTimeoutError',
  'MongoOperationTimeoutError',
  'MongoExpiredSessionError',
]);

/** Codes of the server (its `error_codes.yml`), by what they say. */
const awayCodes = new Set([
  // No primary, a new one, or one that stops: the retryable ones of the specification of drivers.
  6, 7, 89, 91, 133, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436,
  // Too slow: MaxTimeMSExpired, WriteConcernFailed (also its timeout), UnsatisfiableWriteConcern, LockTimeout.
  50, 64, 100, 24,
  // For the operator to mend, and then everything goes on: Unauthorized, AuthenticationFailed, OutOfDiskSpace,
  // and what hosted ones say of a quota or a user.
  13, 18, 14031, 8000,
]);

const awayLabels = ['RetryableWriteError', 'RetryableError', 'SystemOverloadedError'];

type DriverError = Error & { code?: unknown; errorResponse?: unknown; hasErrorLabel?: (label: string) => boolean };

export function isAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { name, code, errorResponse, hasErrorLabel } = error as DriverError;
  if (awayNames.has(name)) return true;
  // A bulk write puts its own name before what went wrong on the network.
  if (isAway(errorResponse)) return true;
  if (!name.startsWith('Mongo')) return false;
  if (typeof code === 'number' && awayCodes.has(code)) return true;
  return hasErrorLabel !== undefined && awayLabels.some((label) => hasErrorLabel.call(error, label));
}

/** Whether it, or what it was made of, says that the server was not found or did not answer. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof Error && (unreachableNames.includes(error.name) || isUnreachable(error.cause));
}

const DUPLICATE_KEY = 11000;

/**
 * Of a failed unordered insert: the places of documents that were there already. Undefined when anything else failed too.
 */
export function duplicatesOf(error: unknown): number[] | undefined {
  if (!(error instanceof Error) || error.name !== 'MongoBulkWriteError') return undefined;
  type Failed = { index: number; code: number };
  const { writeErrors, result } = error as Error & {
    writeErrors: Failed | Failed[];
    result: { getWriteConcernError(): unknown };
  };
  const failed = [writeErrors].flat();
  if (result.getWriteConcernError() !== undefined) return undefined;
  if (failed.length === 0 || failed.some(({ code }) => code !== DUPLICATE_KEY)) return undefined;
  return failed.map(({ index }) => index);
}

export const isDuplicate = (error: unknown) =>
  error instanceof Error && (error as { code?: unknown }).code === DUPLICATE_KEY;
