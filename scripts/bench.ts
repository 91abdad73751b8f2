/**
 * `npm run bench`: what the queue costs and how it holds, as ratios measured side by side in one run of under five
 * minutes. Every program is a process of its own.
 *
 * `-- <part> …`: only these parts; `-- help` names them
 * `-- sessions`, `-- floods`: only when named or with --write, because they take long
 * `-- --write`: rewrites docs/benchmarks.md, when every part was measured
 * `-- --strict`: a goal that is missed makes the exit code 1, as a part that could not be measured always does
 * `-- --against <dir> <part> …`: the programs of another checkout take turns with ours
 * `-- --cpu-prof <dir>`: leaves a CPU profile of every process
 */
import { writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type BenchPart, runPart } from './bench/bench.ts';
import { describeMachine } from './bench/machine.ts';
import { parts } from './bench/parts.ts';
import { asText, page, reached, type Section } from './bench/report.ts';

const PAGE = new URL('../docs/benchmarks.md', import.meta.url);
const BUDGET_S = 300;

const { values: options, positionals: named } = parseArgs({
  allowPositionals: true,
  options: {
    write: { type: 'boolean' },
    strict: { type: 'boolean' },
    against: { type: 'string' },
    'cpu-prof': { type: 'string' },
  },
});
const { write, strict, against, 'cpu-prof': profileDir } = options;

const namesOf = (some: BenchPart[]) => some.map(({ name }) => name);
const possible = against === undefined ? parts : parts.filter(({ pairs }) => pairs);
const unknown = named.filter((name) => !namesOf(possible).includes(name));
if (unknown.length > 0 || (write && (named.length > 0 || against !== undefined))) {
  console.error(
    [
      `usage: npm run bench -- [${namesOf(parts).join(' | ')}] [--write, of all parts] [--strict]`,
      `       npm run bench -- --against <dir of another checkout> [${namesOf(parts.filter(({ pairs }) => pairs)).join(' | ')}]`,
    ].join('\n'),
  );
  process.exit(2);
}
const chosen = possible.filter(({ name, long }) => (named.length > 0 ? named.includes(name) : write || !long));

const machine = await describeMachine();
const [busy = 0] = loadavg();
console.log(`beanline bench: ${machine.text}`);
if (busy > machine.cores / 2) console.log(`!! load average ${busy.toFixed(1)}: others use this machine, and it shows`);
console.log();

const startedAt = performance.now();
const sections: Section[] = [];
let broken = 0;
for (const part of chosen) {
  const partStartedAt = performance.now();
  try {
    const how = { profileDir };
    const other = against === undefined ? undefined : { profileDir, root: resolve(against) };
    const measured = await runPart(part, { how, other });
    for (const section of measured) console.log(asText(section));
    sections.push(...measured);
  } catch (error) {
    broken++;
    console.log(`✗ ${part.name} could not be measured:`, error);
  }
  console.log(`  (${part.name}: ${((performance.now() - partStartedAt) / 1_000).toFixed(0)} s)\n`);
}
const tookS = (performance.now() - startedAt) / 1_000;

const judged = sections.flatMap(({ rows }) => rows.map(reached)).filter((result) => result !== null);
const missed = judged.filter((result) => !result).length;
console.log(
  `${judged.length - missed} of ${judged.length} goals reached${broken ? `, ${broken} parts not measured` : ''}, ` +
    `${tookS.toFixed(0)} s${tookS > BUDGET_S && named.length === 0 && !write ? ` (✗ over ${BUDGET_S} s)` : ''}`,
);
if (write && broken === 0) {
  await writeFile(PAGE, page(sections, { machine: machine.text, date: new Date(), tookS }));
  console.log('docs/benchmarks.md is written');
}
process.exitCode = broken > 0 || (strict && missed > 0) ? 1 : 0;
