/**
 * Checks files against the rules of their rooms (rules.ts). An arrow is whatever makes a file name another: every form of
 * import and export, also of types alone, and the module that a declaration augments.
 */
import { posix } from 'node:path';
import { parseSync, Visitor } from 'oxc-parser';
import * as rules from './rules.ts';

/** From one file or room to another, written at a line of a file. `erased`: not there when the program runs. */
type Arrow = { from: string; to: string; file: string; line: number; erased: boolean };
type Finding = { rule: string; file: string; line: number; to?: string; why: string };

function arrowsOf({ path, text }: rules.File): Arrow[] {
  const arrows: Arrow[] = [];
  function add({ start }: { start: number }, source: object | null | undefined, kind?: 'type' | 'value') {
    if (!source || !('value' in source) || typeof source.value !== 'string') return;
    const local = source.value.startsWith('.') ? posix.join(posix.dirname(path), source.value) : source.value;
    const to = local.replace(/^@beanline\/shared\//, 'shared/src/');
    arrows.push({ from: path, to, file: path, line: rules.lineOf(text, start), erased: kind === 'type' });
  }
  new Visitor({
    ImportDeclaration: (node) => add(node, node.source, node.importKind),
    ExportNamedDeclaration: (node) => add(node, node.source, node.exportKind),
    ExportAllDeclaration: (node) => add(node, node.source, node.exportKind),
    ImportExpression: (node) => add(node, node.source),
    TSImportType: (node) => add(node, node.source, 'type'),
    TSModuleDeclaration: (node) => add(node, node.id, 'type'),
  }).visit(parseSync(path, text).program);
  return arrows;
}

/** The shortest way along arrows from a place to each that it reaches. */
function waysFrom(start: string, arrows: Arrow[]): Map<string, Arrow[]> {
  const from = Map.groupBy(arrows, (arrow) => arrow.from);
  const ways = new Map(from.get(start)?.map((arrow) => [arrow.to, [arrow]]));
  for (const [place, way] of ways)
    for (const arrow of from.get(place) ?? []) if (!ways.has(arrow.to)) ways.set(arrow.to, [...way, arrow]);
  return ways;
}

/** One finding, where the way begins; none if there is no way. */
const found = (rule: string, [first, ...rest]: Arrow[] = []): Finding[] =>
  first ? [{ ...first, rule, why: [first, ...rest].map(({ to }) => to).join(' → ') }] : [];

/** One finding for each knot of arrows that lead back to where they began. */
function cycles(rule: string, arrows: Arrow[]): Finding[] {
  const told = new Set<string>();
  return [...new Set(arrows.map(({ from }) => from))].sort().flatMap((start) => {
    const way = told.has(start) ? undefined : waysFrom(start, arrows).get(start);
    for (const { to } of way ?? []) told.add(to);
    return found(rule, way);
  });
}

/** What is wrong, as `file:line rule → import: why`, but for the exceptions; and those of them that are none any more. */
export function check(files: rules.File[], exceptions = rules.exceptions): string[] {
  const arrows = files.filter(({ path }) => /\.(ts|mjs)$/.test(path)).flatMap(arrowsOf);
  const shipped = arrows.filter(({ file }) => !rules.TESTS.test(file));
  const loaded = shipped.filter(({ erased }) => !erased);
  const between = shipped
    .map((arrow) => ({ ...arrow, from: rules.roomOf(arrow.from), to: rules.roomOf(arrow.to) }))
    .filter(({ from, to }) => from && to && from !== to);
  const findings = [
    ...shipped.flatMap((arrow) => rules.brokenBy(arrow).map((rule) => ({ ...arrow, ...rule }))),
    ...cycles('cycle', arrows),
    ...cycles('room-cycle', between),
    ...rules.unreached.flatMap(({ rule, from, to }) => found(rule, waysFrom(from, loaded).get(to))),
    ...rules.rooms(files.filter(({ path }) => !rules.TESTS.test(path))),
  ];
  const name = ({ rule, file, to }: Finding, place = file) => `${place} ${rule}${to ? ` → ${to}` : ''}`;
  const names = new Set(findings.map((finding) => name(finding)));
  return [
    ...findings
      .filter((finding) => !exceptions.includes(name(finding)))
      .map((finding) => `${name(finding, `${finding.file}:${finding.line}`)}: ${finding.why}`),
    ...exceptions
      .filter((exception) => !names.has(exception))
      .map((exception) => `no exception any more: ${exception}`),
  ];
}
