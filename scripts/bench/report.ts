/** The table a bench prints. */

/** Measurements of one row, in its unit. */
export type Row = { name: string; unit: string; values: number[] };
/** A ratio and what it should be. `values` are per round, or one value. */
export type Ratio = { name: string; values: number[]; goal?: { atLeast: number } | { atMost: number } };

export const median = (values: number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
};

const digits = (value: number) => (Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2));
const columns = [46, 10, 10, 10];
const line = (cells: string[], rest = '') =>
  `${cells.map((cell, index) => (index === 0 ? cell.padEnd(columns[0] ?? 0) : cell.padStart(columns[index] ?? 0))).join('')}  ${rest}`.trimEnd();

const spread = (values: number[]) => [Math.min(...values), median(values), Math.max(...values)].map(digits);

function verdict({ values, goal }: Ratio): string {
  if (!goal) return '';
  const value = median(values);
  const met = 'atLeast' in goal ? value >= goal.atLeast : value <= goal.atMost;
  return `${met ? '✓' : '✗'} goal ${'atLeast' in goal ? `≥ ${goal.atLeast}` : `≤ ${goal.atMost}`}`;
}

/** Rows with min, median and max, and the ratios with their goals. */
export function section(title: string, rows: Row[], ratios: Ratio[]): string {
  return [
    line([title, 'min', 'median', 'max']),
    ...rows.map(({ name, unit, values }) => line([`  ${name}`, ...spread(values)], unit)),
    ...ratios.map((ratio) => line([`  ${ratio.name}`, ...spread(ratio.values)], verdict(ratio))),
    '',
  ].join('\n');
}
