/**
 * Texts that may be large. They are deflated from 4 kB on; bodies of tasks lie beside their tasks, so that a list never reads
 * them, and in pieces, since a document may have 16 MB. (GridFS would do the same in two documents and a round trip each.)
 */
import { promisify } from 'node:util';
import { deflate, inflate } from 'node:zlib';
import type { BodyDocument, BodyKind, Collections, Key, Packed } from './schema.ts';

export const bodyKinds: readonly BodyKind[] = ['input', 'output', 'events'];

const DEFLATED_FROM = 4_096;
/** Small enough to be written within STORE_TIMEOUT_MS over a slow network. */
const PIECE_BYTES = 2 * 1024 * 1024;

const deflated = promisify<Buffer, Buffer>(deflate);
const inflated = promisify<Buffer, Buffer>(inflate);

export async function pack(text: string): Promise<Packed> {
  return text.length < DEFLATED_FROM ? text : deflated(Buffer.from(text));
}

export async function unpack(packed: Packed): Promise<string> {
  return typeof packed === 'string' ? packed : (await inflated(packed)).toString();
}

/** About how much of a document it takes. */
export const sizeOf = (packed: Packed) => Buffer.byteLength(packed);

/** How bodies name the end of their task. */
export const endName = ({ attempt = 0, ended_at = 0 }: { attempt?: number; ended_at?: number }) =>
  `${attempt}-${ended_at}`;

/** The keys of all bodies of one end of a task. */
export const bodyKeys = (key: Key, end: string, pieces: Partial<Record<BodyKind, number>> = {}) =>
  bodyKinds.flatMap((kind) => pieceKeys(key, end, kind, pieces[kind] ?? 0));

/** The documents of a body; none for one that there is not. */
export async function piecesOf(
  { owner, id }: Key,
  end: string,
  kind: BodyKind,
  text: string | null,
): Promise<BodyDocument[]> {
  if (text === null) return [];
  const packed = await pack(text);
  const key = (piece: number) => ({ owner, task_id: id, end, kind, piece });
  if (typeof packed === 'string') return [{ _id: key(0), data: packed }];
  return Array.from({ length: Math.ceil(packed.length / PIECE_BYTES) }, (_, piece) => ({
    _id: key(piece),
    data: packed.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES),
  }));
}

export const pieceKeys = ({ owner, id }: Key, end: string, kind: BodyKind, pieces: number): BodyDocument['_id'][] =>
  Array.from({ length: pieces }, (_, piece) => ({ owner, task_id: id, end, kind, piece }));

/** Null when there is none, or not all of it. */
export async function readBody(
  { bodies, read }: Collections,
  key: Key,
  end: string,
  kind: BodyKind,
  pieces: number,
): Promise<string | null> {
  if (pieces === 0) return null;
  const found = await bodies.find({ _id: { $in: pieceKeys(key, end, kind, pieces) } }, read).toArray();
  if (found.length < pieces) return null;
  found.sort((a, b) => a._id.piece - b._id.piece);
  const parts = found.map(({ data }) => data);
  return typeof parts[0] === 'string' ? parts[0] : unpack(Buffer.concat(parts as Buffer[]));
}
