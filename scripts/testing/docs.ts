/**
 * The pages of the documentation and the shell commands in them. A `console` block is a session: lines that begin with
 * `$ ` are commands (`\` goes on to the next line), the lines below a command are what it prints. Any other shell block
 * names what proves it instead: `sh proved-by=<file>,<file>`.
 */
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '../..');

/** Paths of all pages, from the root. */
export const pages = (): string[] => ['README.md', ...globSync('docs/**/*.md', { cwd: ROOT }).sort()];

export const readPage = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** A fenced block. `line` is that of its fence, counted from 1. */
export type Block = { language: string; info: string; text: string; line: number };

export function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  let open: Block | undefined;
  for (const [index, line] of page.split('\n').entries()) {
    const fence = /^```(\S*)\s*(.*)$/.exec(line);
    if (!fence) {
      if (open) open.text += `${line}\n`;
    } else if (open) {
      blocks.push(open);
      open = undefined;
    } else open = { language: fence[1] ?? '', info: fence[2] ?? '', text: '', line: index + 1 };
  }
  return blocks;
}

/** A command of a session. `shown` is what the page says that it prints; empty when the page does not say. */
export type Command = { command: string; shown: string; line: number };

export function commandsOf({ text, line: fence }: Block): Command[] {
  const commands: Command[] = [];
  let goesOn = false;
  for (const [index, line] of text.trimEnd().split('\n').entries()) {
    const last = commands.at(-1);
    if (last && goesOn) last.command += `\n${line}`;
    else if (line.startsWith('$ ')) commands.push({ command: line.slice(2), shown: '', line: fence + index + 1 });
    else if (last) last.shown += `${line}\n`;
    else throw new Error(`line ${fence + index + 1}: a session begins with a command`);
    goesOn = line.endsWith('\\') && (goesOn || line.startsWith('$ '));
  }
  return commands.map(({ shown, ...command }) => ({ ...command, shown: shown.trim() }));
}

/** The files that a block of commands which is not run names as its proof. */
export const proofsOf = ({ info }: Block): string[] => /(?:^|\s)proved-by=(\S+)/.exec(info)?.[1]?.split(',') ?? [];

const ID = String.raw`\b(?:task|sess|msg|req|bl)_[\w-]+|\b[0-9a-f]{12}\b`;
const TIME = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z|\b\d+(?:\.\d+)? s\b`;
/** Any lines, any last lines, or anything. */
const ANY: Record<string, string> = { '…\n': '(?:.*\\n)*?', '\n…': '(?:\\n[^]*)?', '…': '[^]*?' };
const VOLATILE = new RegExp(`(^…\n|\n…(?![^])|…|${ID}|${TIME})`, 'm');
const isId = (text: string) => new RegExp(`^(?:${ID})$`).test(text);
/** What any of the same kind looks like: `task_…` is any task, and a number of twelve digits any such number. */
const anyOf = (text: string) =>
  ANY[text] ?? (isId(text) ? `(${/^[a-z]+_/.exec(text)?.[0] ?? ''}[\\w-]+)` : `(?:${TIME})`);

/**
 * Whether a command printed what its page shows. `…` stands for anything, a time for any time, and an id for one that is the
 * same wherever the page has it: `ids` learns which.
 */
export function isShown(shown: string, printed: string, ids: Map<string, string>): boolean {
  const parts = shown.split(VOLATILE);
  const source = parts.map((part, index) => (index % 2 === 0 ? RegExp.escape(part) : anyOf(part))).join('');
  const match = new RegExp(`^${source}$`).exec(printed.replaceAll('\r', '').trim());
  if (!match) return false;
  for (const [index, id] of parts.filter((part, index) => index % 2 === 1 && isId(part)).entries()) {
    const real = match[index + 1] ?? '';
    if ((ids.get(id) ?? real) !== real) return false;
    ids.set(id, real);
  }
  return true;
}

/** The command with the ids that this run has for those of the page. */
export const withIds = (command: string, ids: Map<string, string>): string =>
  command.replaceAll(new RegExp(ID, 'g'), (id) => ids.get(id) ?? id);
