/**
 * Calls of functions as servers stream them, brought into one form: numbered from 0, each with an id and a name in its first
 * piece, its arguments one JSON value. Servers number all calls 0 or none, give ids late, anew in each piece or never, repeat
 * names, tell a call whole at once or once more at its end, and begin it with a `{}` that is only a place.
 */
import { customAlphabet } from 'nanoid';
import type { ToolCallPiece } from '../../provider.ts';
import { asObject, asText, type Json } from './json.ts';

/** Nine letters and digits: Mistral takes back no other form. */
export const makeCallId = customAlphabet('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', 9);

const NOTHING = '{}';
/** Characters of arguments that are kept for a name to come. */
const MAX_NAMELESS = 1024 * 1024;
/** Of an id, in characters. One that is longer is no name for anything: the call gets another. */
const MAX_ID = 256;

/** Follows a JSON value that comes in pieces, each letter once. */
function jsonEnd() {
  let depth = 0;
  let begun = false;
  let inText = false;
  let isEscaped = false;
  const isWhole = () => begun && depth === 0;
  return {
    isWhole,
    /** As much of a piece as belongs to the value. */
    take(piece: string): string {
      for (let at = 0; at < piece.length; at += 1) {
        if (isWhole()) return piece.slice(0, at);
        const letter = piece[at];
        if (isEscaped) isEscaped = false;
        else if (inText) {
          if (letter === '\\') isEscaped = true;
          else if (letter === '"') inText = false;
        } else if (letter === '"') inText = begun;
        else if (letter === '{' || letter === '[') {
          begun = true;
          depth += 1;
        } else if (letter === '}' || letter === ']') depth -= 1;
      }
      return piece;
    },
  };
}

type Call = {
  /** Its place among those that are shown: one without a name never is. */
  index: number;
  /** What the server counts it by. */
  key: string | undefined;
  /** The server's, which may come late; `ownId` stands for it until then. */
  givenId: string;
  name: string;
  end: ReturnType<typeof jsonEnd>;
  isShown: boolean;
  /** Arguments that came before the name. */
  pending: string;
  /** Any of its arguments was given out. */
  hasArguments: boolean;
};

/** What one entry says. `isObject`: its arguments came whole, and are no text. */
type Said = { key: string | undefined; id: string; name: string; text: string; isObject: boolean };

function saidBy(entry: Json): Said {
  const { index } = entry;
  const id = asText(entry.id) ?? (typeof entry.id === 'number' ? String(entry.id) : '');
  // Some tell the call without a function around it.
  const { name, arguments: given } = asObject(entry.function) ?? entry;
  const isObject = typeof given === 'object' && given !== null;
  return {
    key: typeof index === 'number' || typeof index === 'string' ? String(index) : undefined,
    id: id.length > MAX_ID ? '' : id,
    name: asText(name)?.trim() ?? '',
    text: isObject ? JSON.stringify(given) : (asText(given) ?? ''),
    isObject,
  };
}

/** Whether what an entry says begins a call of its own, though it goes by the number or the id of this one, or by none. */
function isAnother(call: Call, { id, name, text, isObject }: Said): boolean {
  if (name === '' || (id !== '' && id === call.givenId)) return false;
  if (isObject || (call.name !== '' && name !== call.name)) return true;
  if (call.hasArguments && !call.end.isWhole()) return false;
  return (id !== '' && call.givenId !== '') || (call.end.isWhole() && text.trimStart().startsWith('{'));
}

const isCountedAs = (call: Call, key: string | undefined) =>
  key === undefined || call.key === undefined || call.key === key;

/** Reads the calls of one answer. */
export function toolCallReader() {
  const calls: Call[] = [];
  let shown = 0;
  const ids = new Set<string>();

  function callFor(said: Said): Call {
    const { key, id } = said;
    const known =
      (key === undefined ? undefined : calls.findLast((call) => call.key === key)) ??
      // Two that are counted apart are two, though some give all the same id.
      (id === '' ? undefined : calls.findLast((call) => call.givenId === id && isCountedAs(call, key))) ??
      // A number that is new counts a new call, unless this only goes on with one.
      (key !== undefined && said.name !== '' ? undefined : calls.at(-1));
    if (known && !isAnother(known, said)) return known;
    const call: Call = {
      ...{ index: -1, key, givenId: id, name: '', end: jsonEnd() },
      ...{ isShown: false, pending: '', hasArguments: false },
    };
    calls.push(call);
    return call;
  }

  /** The next piece of a call, or undefined when nothing of it can be shown yet. */
  function pieceOf(call: Call, said: Said): ToolCallPiece | undefined {
    call.key ??= said.key;
    call.givenId ||= said.id;
    call.name ||= said.name;
    call.pending += said.text;
    if (call.name === '') {
      // No name comes behind so much.
      if (call.pending.length > MAX_NAMELESS) call.pending = '';
      return undefined;
    }
    const isPlace = !call.hasArguments && (call.pending.trim() === NOTHING || call.pending.trim() === '');
    let text = '';
    if (!isPlace) {
      const given = call.hasArguments ? call.pending : call.pending.replace(/^\s*\{\s*\}\s*(?=\{)/, '');
      call.pending = '';
      text = call.end.take(given);
      call.hasArguments = true;
    }
    if (call.isShown) return text === '' ? undefined : { index: call.index, arguments: text };
    call.isShown = true;
    call.index = shown++;
    call.givenId ||= makeCallId();
    const id = ids.has(call.givenId) ? makeCallId() : call.givenId;
    ids.add(id);
    return { index: call.index, id, name: call.name, arguments: text };
  }

  return {
    /** The pieces of what stands under `tool_calls`. */
    take(value: unknown): ToolCallPiece[] {
      const entries = (Array.isArray(value) ? value : [value]).map(asObject);
      return entries.flatMap((entry) => {
        if (!entry) return [];
        const said = saidBy(entry);
        const piece = pieceOf(callFor(said), said);
        return piece ? [piece] : [];
      });
    },
    /** No more pieces come: what is left of them. A call without arguments has none. */
    end(): ToolCallPiece[] {
      return calls.flatMap((call) => {
        if (!call.isShown || call.hasArguments) return [];
        call.hasArguments = true;
        return [{ index: call.index, arguments: call.end.take(NOTHING) }];
      });
    },
    hasCalls: () => calls.some(({ isShown }) => isShown),
    /** Each call has all of its arguments. */
    areWhole: () => calls.every(({ isShown, hasArguments, end }) => isShown && (!hasArguments || end.isWhole())),
  };
}

/** Ends of an answer that only say that the model is done. */
const DONE = /^(stop|eos|end|tool|function|complete)/i;

/** The reason of an end, of an answer that has calls. */
export const reasonWithCalls = (reason: string) => (DONE.test(reason) ? 'tool_calls' : reason);
