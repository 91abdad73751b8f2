/** What a test looks at in a command that was sent to MongoDB. */
import type { Document } from 'mongodb';

/** Every name that a document or an operator of ours has; `0` and so on are places in arrays, which are not looked at. */
export const names = new Set(
  [
    '_id id owner session_id task_id kind piece deleting title title_by feature_mode model feature_options created_at',
    'updated_at total_tokens message_count summary summary.up_to text up_to messages trigrams counted let_go message_id role',
    'content usage input_tokens output_tokens estimated metadata task_status task_turn_of type status ended_at timeout_ms record pieces',
    'input output events data json _id.owner _id.id',
    'end attempt replaced former former.end turn_ends task at uncounted tokens key_hash fingerprint',
    'revision purge_at entries text+source/size hidden value0 value1',
    'entries.text+source/size.owner entries.text+source/size.value0 entries.text+source/size.value1',
    'entries.hidden.owner entries.hidden.value0',
    '$in $nin $ne $lt $lte $gt $gte $or $and $expr $literal $ifNull $elemMatch',
    '$set $unset $inc $max $push $each $pullAll $match $limit $group $sum n',
  ].flatMap((line) => line.split(' ')),
);
/** Where documents and filters are in a command. */
export const bodiesOf = (command: Document): Document[] =>
  [
    command.documents,
    command.updates?.flatMap(({ q, u }: Document) => [q, u]),
    command.deletes?.map(({ q }: Document) => q),
    command.filter,
    command.query,
    command.update !== undefined && typeof command.update === 'object' ? command.update : undefined,
    command.pipeline,
    command.sort,
    command.projection,
    command.fields,
  ]
    .flat()
    .filter((part) => part !== undefined);

/** The filters of a command. */
export const filtersOf = (command: Document): Document[] =>
  [
    command.updates?.map(({ q }: Document) => q),
    command.deletes?.map(({ q }: Document) => q),
    command.filter,
    command.query,
    command.pipeline?.[0]?.$match,
  ]
    .flat()
    .filter((part) => part !== undefined);

/** The names in a document, at any depth. */
export function keysIn(value: unknown): string[] {
  if (value instanceof Map) return [...value].flatMap(([key, inner]) => [String(key), ...keysIn(inner)]);
  if (Array.isArray(value)) return value.flatMap(keysIn);
  if (value === null || typeof value !== 'object' || Buffer.isBuffer(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => [key, ...keysIn(inner)]);
}

/** Whether a filter can meet nothing but this owner's documents. */
export function isOf(owner: string, filter: Document): boolean {
  if (filter.owner === owner || filter['_id.owner'] === owner || filter._id?.owner === owner) return true;
  // The entry of an index in a document.
  if (Object.entries(filter).some(([name, value]) => /^entries\.[^.]+\.owner$/.test(name) && value === owner))
    return true;
  const keys: { owner: string }[] | undefined = filter._id?.$in;
  return keys?.every((key) => key.owner === owner) ?? false;
}

/** Whether an index begins with what a filter says exactly, and goes on in the order that is asked for. */
export function serves(index: Document, filter: Document, sort: [string, number][]): boolean {
  const fields = Object.entries<number>(index.key);
  const open = fields.findIndex(([name]) => !['string', 'boolean', 'number'].includes(typeof filter[name]));
  const exact = open === -1 ? fields.length : open;
  const ordered = fields.slice(exact);
  const way = (ordered[0]?.[1] ?? 1) * (sort[0]?.[1] ?? 1);
  const inOrder = sort.every(([name, to], i) => ordered[i]?.[0] === name && ordered[i]?.[1] === to * way);
  return inOrder && exact + sort.length > 0;
}

/** Texts that an expression would take for a field or a variable. */
export function pathsIn(value: unknown): string[] {
  if (typeof value === 'string') return value.startsWith('$') ? [value] : [];
  if (Array.isArray(value)) return value.flatMap(pathsIn);
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, inner]) => (key === '$literal' ? [] : pathsIn(inner)));
}
