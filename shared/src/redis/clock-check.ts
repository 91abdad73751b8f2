/**
 * Says in the log, once each time it changes, that this process's clock is off Redis's, or right again. Nothing of ours
 * goes by the machine's clock, but its logs do, and whatever else runs there.
 */
import type { Log } from '../log.ts';
import type { Clock } from './clock.ts';

const INTERVAL_MS = 1_000;
/** A clock that was off counts as right again below this share of the tolerance. */
const RIGHT_SHARE = 0.8;

export function createClockCheck(
  clock: Pick<Clock, 'available' | 'offset'>,
  { toleranceMs, log }: { toleranceMs: number; log: Log },
) {
  let off = false;
  const timer = setInterval(() => {
    if (!clock.available()) return;
    const offsetMs = Math.round(clock.offset());
    const next = Math.abs(offsetMs) > (off ? RIGHT_SHARE : 1) * toleranceMs;
    if (next === off) return;
    off = next;
    const facts = { clock_offset_ms: offsetMs, tolerance_ms: toleranceMs };
    if (off) log.warn(facts, "this machine's clock is off that of Redis");
    else log.info(facts, "this machine's clock agrees with that of Redis again");
  }, INTERVAL_MS);
  return { off: () => off, stop: () => clearInterval(timer) };
}

export type ClockCheck = ReturnType<typeof createClockCheck>;
