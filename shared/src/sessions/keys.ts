/** Names of the keys of sessions. Braces are the Redis Cluster hash tag, so that what one script touches shares a slot. */
export function createSessionKeys(prefix: string) {
  return {
    /** Versioned cache of what a session's owner sees of it. */
    session: (owner: string, id: string) => `${prefix}:{s:${id}}:session:${owner}`,
    /** Versioned cache of its recent messages, for the next call. */
    window: (id: string) => `${prefix}:{s:${id}}:window`,
    /** That a session is an owner's, and is there. */
    owner: (owner: string, id: string) => `${prefix}:{s:${id}}:owner:${owner}`,
    /** Tasks of a session that have begun and whose turn the store may not have yet. */
    turns: (id: string) => `${prefix}:{s:${id}}:turns`,
    /** Version that every change of an owner's sessions replaces; lists are cached under it. */
    lists: (owner: string) => `${prefix}:{o:${owner}}:lists`,
    list: (owner: string, version: string, hash: string) => `${prefix}:{o:${owner}}:list:${version}:${hash}`,
    preferences: (owner: string) => `${prefix}:{o:${owner}}:context`,
  };
}

export type SessionKeys = ReturnType<typeof createSessionKeys>;
