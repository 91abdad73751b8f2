/** So much at once, and the rest after it in its order. */
export function createTurns(atOnce: number) {
  let underWay = 0;
  const waiting: (() => void)[] = [];

  function end() {
    const next = waiting.shift();
    if (next) next();
    else underWay--;
  }

  return {
    /** Runs the work when it is its turn; rejects when the signal aborts before. */
    async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
      signal.throwIfAborted();
      if (underWay < atOnce) underWay++;
      else {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        const leave = () => {
          waiting.splice(waiting.indexOf(resolve), 1);
          reject(signal.reason);
        };
        waiting.push(resolve);
        signal.addEventListener('abort', leave);
        await promise.finally(() => signal.removeEventListener('abort', leave));
      }
      try {
        return await work();
      } finally {
        end();
      }
    },
  };
}
