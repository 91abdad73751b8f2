/** Where in a file of one's own something is wrong, as `file:line`. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { failedImport } from './own-imports.ts';

const OURS = pathToFileURL(join(import.meta.dirname, '../../')).href;

const sourceOf = (file: string) => readFileSync(file, 'utf8');
const lineAt = (text: string, at: number) => text.slice(0, Math.max(at, 0)).split('\n').length;
const isPlace = (url: string) => !url.startsWith(OURS) && !url.includes('/node_modules/');

/** Where what a file exports says this field, or else where it is defined. */
export function placeOf(file: string, exported: string, field: string): string {
  const source = sourceOf(file);
  const defined = new RegExp(`\\b(const|let|var|as)\\s+${RegExp.escape(exported)}\\b`);
  const start = Math.max(source.search(defined), 0);
  const inside = source.slice(start).search(new RegExp(`\\b${RegExp.escape(field)}\\s*[:,(]`));
  return `${file}:${lineAt(source, start + Math.max(inside, 0))}`;
}

/** Of JavaScript that cannot be read, Node only says where when it is asked to check it. */
function placeOfSyntax(file: string): string {
  const node = spawnSync(process.execPath, ['--input-type=module', '--check'], { input: sourceOf(file) });
  return `${file}:${/\[stdin\]:(\d+)/.exec(String(node.stderr))?.[1] ?? 1}`;
}

function placeOfImport({ specifier, importer }: { specifier: string; importer: string }): string {
  const file = fileURLToPath(importer);
  const source = sourceOf(file);
  return `${file}:${lineAt(source, source.search(new RegExp(`['"]${RegExp.escape(specifier)}['"]`)))}`;
}

function placeOfFailure(file: string, error: unknown): string {
  const failed = failedImport(error);
  if (failed?.importer.startsWith('file:')) return placeOfImport(failed);
  const { stack = '' } = Object(error) as Partial<Error>;
  const [, url, line] = [...stack.matchAll(/(file:\/\/[^\s()]+?):(\d+)/g)].find(([, at = '']) => isPlace(at)) ?? [];
  if (url !== undefined) return `${fileURLToPath(url)}:${line}`;
  return error instanceof SyntaxError ? placeOfSyntax(file) : `${file}:1`;
}

/** Why the import of a file failed, and where: in itself, or in one that it imports. */
export function failureOf(file: string, error: unknown): string {
  const { message = String(error) } = Object(error) as Partial<Error>;
  const what = message
    .replaceAll(/\s+/g, ' ')
    .replace(/ imported from .*$/, '')
    .replace(/^Cannot find package.*/, '$&: npm install it there');
  return `${placeOfFailure(file, error)}: ${what}`;
}
