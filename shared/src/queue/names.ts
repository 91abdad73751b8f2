/** What producers and consumers of BullMQ agree on. */

/** BullMQ must never end a task by itself: neither by its attempts nor by its count of stalls. */
export const NEVER = 1_000_000_000;
/** One queue per job type, tagged for the Cluster by its name. */
export const queueName = (type: string) => `{${type}}`;
