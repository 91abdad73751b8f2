/** The parts of the bench, in the order of their tables. */
import type { BenchPart } from './bench.ts';
import { agents } from './parts/agents.ts';
import { fairness } from './parts/fairness.ts';
import { firstToken } from './parts/first-token.ts';
import { floods } from './parts/floods.ts';
import { kept } from './parts/kept.ts';
import { parked } from './parts/parked.ts';
import { readers } from './parts/readers.ts';
import { recovery } from './parts/recovery.ts';
import { relayed } from './parts/relayed.ts';
import { runners } from './parts/runners.ts';
import { sessions } from './parts/sessions.ts';
import { storeAway } from './parts/store-away.ts';
import { submit } from './parts/submit.ts';

export const parts: BenchPart[] = [
  submit,
  firstToken,
  relayed,
  readers,
  runners,
  kept,
  recovery,
  fairness,
  storeAway,
  sessions,
  floods,
  agents,
  parked,
];
