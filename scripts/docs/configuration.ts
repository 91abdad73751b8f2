/** docs/configuration.md, made of what the variables say of themselves. */
import { type Section, sections, type Variable } from './variables.ts';

const UNITS = {
  ms: [
    [24 * 60 * 60_000, 'd'],
    [60 * 60_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
    [1, 'ms'],
  ],
  bytes: [
    [1024 ** 3, 'GiB'],
    [1024 ** 2, 'MiB'],
    [1024, 'KiB'],
    [1, 'B'],
  ],
  days: [[1, 'd']],
} as const;

/** A number as people say it, in the largest unit that makes it whole. */
function amount(value: number, unit: Variable['unit']): string {
  if (unit === undefined || value === 0) return String(value);
  const [size, name] = UNITS[unit].find(([size]) => value % size === 0) ?? [1, unit];
  return `${value / size} ${name}`;
}

function row({ name, fallback, description, unit, range }: Variable): string[] {
  const said = unit && fallback !== '0' ? ` (${amount(Number(fallback), unit)})` : '';
  return [
    `\`${name}\``,
    fallback === '' ? '' : `\`${fallback}\`${said}`,
    range ? range.map((end) => amount(end, unit)).join(' – ') : '',
    description,
  ];
}

/** A table of Markdown with its columns under each other. */
function table(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: string[]) => `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n');
}

function chapter({ title, about, variables }: Section): string {
  const hasRanges = variables.some(({ range }) => range);
  const rows = [['variable', 'default', 'from – to', 'meaning'], ...variables.map(row)].map(
    ([name = '', fallback = '', range = '', meaning = '']) =>
      hasRanges ? [name, fallback, range, meaning] : [name, fallback, meaning],
  );
  return [`## ${title}`, table(rows), ...(about ? [about] : [])].join('\n\n');
}

const HEAD = `# Configuration

<!-- Made by \`npm run docs\` from the descriptions beside the variables (\`variables.ts\` in each room): change them there. -->

Environment variables, all optional; an empty one counts as unset. A program that finds some of them wrong names all of those at
once and exits with 78. Times are in milliseconds and sizes in bytes.`;

const TAIL = `## Elsewhere

\`docker-compose.yml\` reads a few more ([docs/operating.md](operating.md#one-machine)); these are for the tests:

${table([
  ['variable', 'default', 'meaning'],
  ['`OLLAMA_HOST`', '', '`npm run test:faults` tests the providers against this Ollama too'],
  ['`OLLAMA_TEST_MODEL`', '`smol`', 'the small model it has for that'],
  ['`MONGODB_URI`', '', '`npm run test:faults` tests the store in this MongoDB too, in databases of its own'],
])}`;

/** The page as it is to be. */
export const configurationPage = () => `${[HEAD, ...sections.map(chapter), TAIL].join('\n\n')}\n`;
