import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { createActiveSet } from './active-set.ts';

test('whoever joined and has not left is here, in whatever order they leave', () => {
  const active = createActiveSet<number>();
  const leaves = Array.from({ length: 50 }, (_, number) => active.join(number));
  const here = new Set(Array.from({ length: 50 }, (_, number) => number));
  for (let step = 0, at = 7; step < 50; step++, at = (at + 7) % 50) {
    leaves[at]?.();
    here.delete(at);
    assert.deepEqual(new Set(active.members()), here);
    assert.equal(active.size(), here.size);
  }
  assert.equal(active.size(), 0);
});

test('who leaves twice takes nobody along', () => {
  const active = createActiveSet<string>();
  const [leave] = [active.join('anna'), active.join('bert'), active.join('carla')];
  leave?.();
  leave?.();
  assert.deepEqual(active.members().sort(), ['bert', 'carla']);
});

test('a member may leave, and another come, while they are gone through', () => {
  const active = createActiveSet<() => void>();
  const left: string[] = [];
  for (const name of ['anna', 'bert', 'carla']) {
    const leave = active.join(() => {
      left.push(name);
      leave();
      active.join(() => undefined);
    });
  }
  for (const call of active.members()) call();
  assert.deepEqual(left.sort(), ['anna', 'bert', 'carla']);
  assert.equal(active.size(), 3);
});

/** Runs a process in which 100 members at a time come and go, and gives how much memory its small collections kept. */
function keptMb(kind: 'active set' | 'Set'): number {
  const script = `
    import { PerformanceObserver, constants } from 'node:perf_hooks';
    import { getHeapSpaceStatistics } from 'node:v8';
    import { createActiveSet } from ${JSON.stringify(new URL('active-set.ts', import.meta.url).href)};
    const set = new Set();
    const join = { 'active set': createActiveSet().join, Set: (member) => (set.add(member), () => set.delete(member)) }['${kind}'];
    const here = [];
    const come = () => here.push(join(new Array(100).fill(1)));
    come(); here.shift()();
    gc(); gc();
    const old = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space').space_used_size;
    const before = old();
    for (let turn = 0; turn < 100_000; turn++) { come(); if (here.length > 100) here.shift()(); }
    process.stdout.write(String((old() - before) / 1e6));`;
  // No full collection meanwhile: what it would find is what is measured.
  const flags = ['--expose-gc', '--initial-old-space-size=512', '--input-type=module', '--eval', script];
  return Number(execFileSync(process.execPath, flags, { encoding: 'utf8' }));
}

test('what has left is gone with the next small collection, which of a Set it is not', () => {
  const active = keptMb('active set');
  assert.ok(active < 5, `${active} MB of 80 were kept`);
  // Should V8 learn it one day, the active set may go.
  const set = keptMb('Set');
  assert.ok(set > 20, `a Set keeps ${set} MB`);
});
