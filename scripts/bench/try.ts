import { runPart } from './bench.ts';
import { asText } from './report.ts';
const name = process.argv[2] ?? 'readers';
const mod = await import(`./${name}.ts`);
const t = performance.now();
for (const s of await runPart(mod[name], { profileDir: process.argv[3] })) console.log(asText(s));
console.log(((performance.now() - t) / 1000).toFixed(1), 's');
