/** A map of at most `max` entries, from which the one set longest ago goes first. Own code: it is six lines. */
export function recent<Value>(max: number) {
  const entries = new Map<string, Value>();
  return {
    get: (name: string): Value | undefined => entries.get(name),
    set(name: string, value: Value): void {
      entries.delete(name);
      entries.set(name, value);
      const [oldest] = entries.size > max ? entries.keys() : [];
      if (oldest !== undefined) entries.delete(oldest);
    },
    delete: (name: string): boolean => entries.delete(name),
    size: (): number => entries.size,
  };
}
