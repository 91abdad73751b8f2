/** Key names. The partition is the Redis Cluster hash tag, so all keys of a task share a slot. */
export function createKeys(prefix: string) {
  return {
    task: (p: number, id: string) => `${prefix}:{${p}}:task:${id}`,
    input: (p: number, id: string) => `${prefix}:{${p}}:input:${id}`,
    /** What finished and begun steps of a task have left. */
    steps: (p: number, id: string) => `${prefix}:{${p}}:steps:${id}`,
    /** The messages that clients have sent to a task, read and unread. */
    inbox: (p: number, id: string) => `${prefix}:{${p}}:inbox:${id}`,
    log: (p: number, id: string) => `${prefix}:{${p}}:log:${id}`,
    live: (p: number, id: string) => `${prefix}:{${p}}:live:${id}`,
    open: (p: number) => `${prefix}:{${p}}:open`,
    counts: (p: number) => `${prefix}:{${p}}:counts`,
    outbox: (p: number) => `${prefix}:{${p}}:outbox`,
    cursors: (p: number) => `${prefix}:{${p}}:cursors`,
    lease: (p: number) => `${prefix}:{${p}}:lease`,
    /** Ended tasks that the store has, by the time they may be removed. */
    archived: (p: number) => `${prefix}:{${p}}:archived`,
    /** Ended tasks whose way to the store failed, by the time of their next try. */
    deferred: (p: number) => `${prefix}:{${p}}:deferred`,
    owner: (p: number, owner: string) => `${prefix}:{${p}}:owner:${owner}`,
    idempotency: (p: number, hash: string) => `${prefix}:{${p}}:idem:${hash}`,
    /** Which Idempotency-Keys have made a task that only the store has: a part of their hashes as numbers, by another part. */
    archivedIdempotency: (p: number, hash: string) => `${prefix}:{${p}}:idem-archived:${hash.slice(0, 4)}`,
    /** Never there. */
    nothing: (p: number) => `${prefix}:{${p}}:nothing`,
    /** Answer of a request that allowed to keep it, by the hash of owner and request. */
    answer: (hash: string) => `${prefix}:answer:${hash}`,
    /** How often one was found, and not. */
    answerCounts: `${prefix}:answers`,
    /** What the first request under an Idempotency-Key has claimed, by the hash of owner, place and key. */
    claim: (hash: string) => `${prefix}:claim:${hash}`,
    /** Which runner takes which job types, by when it last said so. */
    runners: `${prefix}:runners`,
    /** What runners can do beside that, by when they last said so. */
    offers: `${prefix}:offers`,
    meta: `${prefix}:meta`,
    /** SHA-256 of each API key → what it may do. */
    apiKeys: `${prefix}:keys`,
    /** Begins the counters of requests per second; `:<owner>` follows. */
    rate: `${prefix}:rate`,
    control: `${prefix}:control`,
    prefix,
  };
}

export type Keys = ReturnType<typeof createKeys>;
