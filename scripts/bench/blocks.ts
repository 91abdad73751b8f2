/** What a way adds: its median minus that of another way, over blocks of runs that both took in turns. */
import { median } from './report.ts';

/** The medians of the blocks, in order. */
export const medians = (values: number[], block: number) =>
  Array.from({ length: values.length / block }, (_, index) => median(values.slice(index * block, (index + 1) * block)));

export const added = (values: number[], base: number[], block: number) => {
  const less = medians(base, block);
  return medians(values, block).map((value, index) => value - (less[index] ?? Number.NaN));
};
