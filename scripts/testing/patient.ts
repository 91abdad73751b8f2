/**
 * For programs in tests that are not about outages: a busy machine may starve a healthy Redis, or the disk of a store, for
 * longer than a client would wait.
 */
export const PATIENT = { REDIS_TIMEOUT_MS: '3000', STORE_TIMEOUT_MS: '20000' };
