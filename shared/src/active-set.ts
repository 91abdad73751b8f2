/**
 * Who is here now, where many come and go: requests, mostly. Not a Set: of one that lives long V8 keeps every table it has
 * outgrown, with all that was in it, until a full collection. Under load a fifth of all garbage stayed that way, copied twice.
 */
export type ActiveSet<Member> = {
  /** Adds a member. What it gives lets the member leave; called again it does nothing. */
  join(member: Member): () => void;
  /** Those that are here now. They may leave meanwhile. */
  members(): Member[];
  size(): number;
};

export function createActiveSet<Member>(): ActiveSet<Member> {
  const places: { member: Member; at: number }[] = [];
  return {
    join(member) {
      const place = { member, at: places.length };
      places.push(place);
      return () => {
        if (places[place.at] !== place) return;
        const last = places.pop();
        if (last === undefined || last === place) return;
        places[place.at] = last;
        last.at = place.at;
      };
    },
    members: () => places.map(({ member }) => member),
    size: () => places.length,
  };
}
