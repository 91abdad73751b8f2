/**
 * `npm run bench`: what the queue costs and how it holds, as ratios measured side by side in one run of under five
 * minutes. Every program is a process of its own.
 *
 * `-- submit first-token relay readers runners kept recovery fairness store-away sessions`: only these parts
 * `-- sessions`: only when named or with --write, because it first writes a million messages
 * `-- --write`: rewrites docs/benchmarks.md, when every part was measured
 * `-- --strict`: a goal that is missed makes the exit code 1, as a part that could not be measured always does
 * `-- --cpu-prof <dir>`: leaves a CPU profile of every process
 */
import { writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { type Part, runPart } from './bench/bench.ts';
import { fairness } from './bench/fairness.ts';
import { kept } from './bench/kept.ts';
import { describeMachine } from './bench/machine.ts';
import { readers } from './bench/readers.ts';
import { recovery } from './bench/recovery.ts';
import { firstToken, relay } from './bench/relayed.ts';
import { asText, page, reached, type Section } from './bench/report.ts';
import { runners } from './bench/runners.ts';
import { sessions } from './bench/sessions.ts';
import { storeAway } from './bench/store-away.ts';
import { submit } from './bench/submit.ts';

const PAGE = new URL('../docs/benchmarks.md', import.meta.url);
const BUDGET_S = 300;
/** Not under that budget. */
const LONG = ['sessions'];

const fairnessPart: Part = async () => {
  const { idleMs, floodedMs } = await fairness();
  const title = 'A flood of one owner and the first token of another';
  const about =
    'One runner of 20 slots, 2,000 tasks of one owner, 7 of the other; a model call takes 300 to 500 ms, its first token 200.';
  return [
    {
      title,
      about,
      rows: [
        { name: 'idle', unit: 'ms', values: [idleMs] },
        { name: 'behind the flood', unit: 'ms', values: [floodedMs] },
        { name: 'behind the flood ÷ idle', unit: '', values: [floodedMs / idleMs], goal: { atMost: 2 } },
      ],
    },
  ];
};

const parts: Record<string, Part> = {
  submit,
  'first-token': firstToken,
  relay,
  readers,
  runners,
  kept,
  recovery,
  fairness: fairnessPart,
  'store-away': storeAway,
  sessions,
};

const { values: options, positionals: named } = parseArgs({
  allowPositionals: true,
  options: { write: { type: 'boolean' }, strict: { type: 'boolean' }, 'cpu-prof': { type: 'string' } },
});
const unknown = named.filter((name) => !(name in parts));
if (unknown.length > 0 || (options.write && named.length > 0)) {
  console.error(`usage: npm run bench -- [${Object.keys(parts).join(' | ')}] [--write, of all parts] [--strict]`);
  process.exit(2);
}

const machine = await describeMachine();
const [busy = 0] = loadavg();
console.log(`beanline bench: ${machine.text}`);
if (busy > machine.cores / 2) console.log(`!! load average ${busy.toFixed(1)}: others use this machine, and it shows`);
console.log();

const startedAt = performance.now();
const sections: Section[] = [];
let broken = 0;
for (const [name, part] of Object.entries(parts)) {
  if (named.length > 0 ? !named.includes(name) : LONG.includes(name) && !options.write) continue;
  const partStartedAt = performance.now();
  try {
    const measured = await runPart(part, { profileDir: options['cpu-prof'] });
    for (const section of measured) console.log(asText(section));
    sections.push(...measured);
  } catch (error) {
    broken++;
    console.log(`✗ ${name} could not be measured:`, error);
  }
  console.log(`  (${name}: ${((performance.now() - partStartedAt) / 1_000).toFixed(0)} s)\n`);
}
const tookS = (performance.now() - startedAt) / 1_000;

const judged = sections.flatMap(({ rows }) => rows.map(reached)).filter((result) => result !== null);
const missed = judged.filter((result) => !result).length;
console.log(
  `${judged.length - missed} of ${judged.length} goals reached${broken ? `, ${broken} parts not measured` : ''}, ` +
    `${tookS.toFixed(0)} s${tookS > BUDGET_S && named.length === 0 && !options.write ? ` (✗ over ${BUDGET_S} s)` : ''}`,
);
if (options.write && broken === 0) {
  await writeFile(PAGE, page(sections, { machine: machine.text, date: new Date(), tookS }));
  console.log('docs/benchmarks.md is written');
}
process.exitCode = broken > 0 || (options.strict && missed > 0) ? 1 : 0;
