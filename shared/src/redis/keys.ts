/** Key names. The partition is the Redis Cluster hash tag, so all keys of a task share a slot. */
export function createKeys(prefix: string) {
  return {
    task: (p: number, id: string) => `${prefix}:{${p}}:task:${id}`,
    input: (p: number, id: string) => `${prefix}:{${p}}:input:${id}`,
    log: (p: number, id: string) => `${prefix}:{${p}}:log:${id}`,
    live: (p: number, id: string) => `${prefix}:{${p}}:live:${id}`,
    open: (p: number) => `${prefix}:{${p}}:open`,
    counts: (p: number) => `${prefix}:{${p}}:counts`,
    bus: (p: number) => `${prefix}:{${p}}:bus`,
    cursors: (p: number) => `${prefix}:{${p}}:cursors`,
    lease: (p: number) => `${prefix}:{${p}}:lease`,
    /** Ended tasks by the time they may be removed. */
    kept: (p: number) => `${prefix}:{${p}}:kept`,
    owner: (p: number, owner: string) => `${prefix}:{${p}}:owner:${owner}`,
    idempotency: (p: number, hash: string) => `${prefix}:{${p}}:idem:${hash}`,
    /** Never there. */
    nothing: (p: number) => `${prefix}:{${p}}:nothing`,
    /** Which runner takes which job types, by when it last said so. */
    runners: `${prefix}:runners`,
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
