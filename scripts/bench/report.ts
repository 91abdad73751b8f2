/** The tables a bench prints and writes. */

export type Goal = { atLeast: number } | { atMost: number };
/** Measurements of one row, per round or one value. `goal` is what its median should be, or its `judged` value. */
export type Row = { name: string; unit: string; values: number[]; goal?: Goal; judged?: 'max' };
/** `about` says, in a sentence or two, how the rows are measured. */
export type Section = { title: string; about?: string; rows: Row[] };

export const median = (values: number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
};

const digits = (value: number) =>
  Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
const spread = (values: number[]) => [Math.min(...values), median(values), Math.max(...values)].map(digits);

/** Whether a row reached its goal; null when it has none. A row without a sane number reached nothing. */
export function reached({ values, goal, judged }: Row): boolean | null {
  if (!goal) return null;
  const value = judged === 'max' ? Math.max(...values) : median(values);
  return 'atLeast' in goal ? value >= goal.atLeast : value <= goal.atMost;
}

function verdict(row: Row): string {
  if (!row.goal) return '';
  const goal = 'atLeast' in row.goal ? `≥ ${row.goal.atLeast}` : `≤ ${row.goal.atMost}`;
  return `${reached(row) ? '✓' : '✗'} ${goal}${row.judged === 'max' ? ' (max)' : ''}`;
}

const WIDTHS = [64, 10, 10, 10];
const line = (cells: string[], rest: string) =>
  `${cells.map((cell, index) => (index === 0 ? cell.padEnd(WIDTHS[0] ?? 0) : cell.padStart(WIDTHS[index] ?? 0))).join('')}  ${rest}`.trimEnd();

/** A section for the terminal: min, median and max of each row, and its goal. */
export function asText({ title, rows }: Section): string {
  return [
    line([title, 'min', 'median', 'max'], ''),
    ...rows.map((row) => line([`  ${row.name}`, ...spread(row.values)], `${row.unit.padEnd(9)} ${verdict(row)}`)),
    '',
  ].join('\n');
}

/** The same as Markdown. */
function asMarkdown({ title, about, rows }: Section): string {
  const table = [
    [title, 'min', 'median', 'max', 'unit', 'goal'],
    ...rows.map((row) => [row.name.trim(), ...spread(row.values), row.unit, verdict(row)]),
  ];
  const widths = table[0]?.map((_, column) => Math.max(3, ...table.map((cells) => cells[column]?.length ?? 0))) ?? [];
  const isNumber = (column: number) => column >= 1 && column <= 3;
  const cells = (row: string[]) =>
    `| ${row.map((cell, column) => (isNumber(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (isNumber(column) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width))).join(' | ')} |`;
  const [head = [], ...body] = table;
  return [...(about ? [about, ''] : []), cells(head), rule, ...body.map(cells), ''].join('\n');
}

/** docs/benchmarks.md. */
export function page(sections: Section[], { machine, date, tookS }: { machine: string; date: Date; tookS: number }) {
  const judged = sections.flatMap(({ rows }) => rows).filter(({ goal }) => goal);
  const missed = judged.filter((row) => !reached(row));
  return [
    '# Benchmarks',
    '',
    '<!-- Written by `npm run bench -- --write`; changes by hand are lost. -->',
    '',
    `\`npm run bench -- --write\`, ${date.toISOString().slice(0, 10)}, ${tookS.toFixed(0)} s. ${machine}.`,
    '',
    'Everything runs on this one machine and shares its cores: Redis (append-only file, synced each second), the API, the',
    'runners, the model server, what is compared with, and the clients, each a process of its own. Variants take turns, so that',
    'a noisy moment is unfair to none, and ratios compare within one turn. Minimum, median and maximum are over the rounds;',
    'the median is judged unless the goal says otherwise. Absolute numbers are those of this machine; ratios travel better.',
    '',
    `${judged.length - missed.length} of ${judged.length} goals are reached${missed.length > 0 ? `; missed: ${missed.map(({ name }) => name).join(', ')}` : ''}.`,
    '',
    ...sections.map(asMarkdown),
  ]
    .join('\n')
    .replace(/\n+$/, '\n');
}
