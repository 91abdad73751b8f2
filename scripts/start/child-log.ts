/** The logs of the children in the terminal: one short line for what matters. */

import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

const WARN = 40;
const NAMES: Record<number, string> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' };
const HIDDEN = new Set(['level', 'time', 'msg', 'name', 'pid', 'hostname']);
const MAX_VALUE_LENGTH = 300;
/** As many as tell a crash: its message and the top of its stack. */
const KEPT_LINES = 10;

function compactValue(value: unknown): string {
  if (value !== null && typeof value === 'object') {
    const { name, message, code } = value as Record<string, unknown>;
    if (typeof message === 'string') return [name, code, message].filter((part) => typeof part === 'string').join(' ');
  }
  return (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, MAX_VALUE_LENGTH);
}

/** A pino line in short, undefined when it is below `least`; a line that is no JSON (a crash's stack) as it is. @internal */
export function compactLine(program: string, line: string, least = WARN): string | undefined {
  if (line.trim() === '') return undefined;
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
    if (typeof entry?.level !== 'number') return `${program}: ${line}`;
  } catch {
    return `${program}: ${line}`;
  }
  const level = entry.level as number;
  if (level < least) return undefined;
  const fields = Object.entries(entry)
    .filter(([key, value]) => !HIDDEN.has(key) && value !== undefined)
    .map(([key, value]) => ` ${key}=${compactValue(value)}`);
  return `${program} ${NAMES[level] ?? level}: ${entry.msg ?? ''}${fields.join('')}`;
}

export type PassedLog = {
  /** Resolves when the stream has ended. */
  ended: Promise<void>;
  /** Its last lines, in short, those that were not passed on included. */
  last(): string[];
};

/** Writes the standard error of a child to ours, as it is when `raw`, else in short. */
export function passLog(program: string, stream: Readable, raw: boolean): PassedLog {
  const kept: string[] = [];
  async function pass(): Promise<void> {
    for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (line.trim() === '') continue;
      kept.push(line);
      if (kept.length > KEPT_LINES) kept.shift();
      const text = raw ? line : compactLine(program, line);
      if (text !== undefined) process.stderr.write(`${text}\n`);
    }
  }
  return { ended: pass(), last: () => kept.map((line) => compactLine(program, line, 0) ?? line) };
}
