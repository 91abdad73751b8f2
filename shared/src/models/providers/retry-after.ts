/** When a server that refuses for now wants to be asked again. */
import { asObject, asText } from './json.ts';

const HOUR_MS = 3_600_000;
const UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000 };

/** `7`, `7.5s`, `1500ms`: in milliseconds; a number alone is of `unit`. */
function durationMs(text: string | null | undefined, unit: string): number | undefined {
  const [, number, own = unit] = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m)?\s*(?:,|$)/i.exec(text ?? '') ?? [];
  return number === undefined ? undefined : Number(number) * (UNITS[own.toLowerCase()] ?? 1);
}

/** The time until a date. Without a clock time it is none: Date.parse takes nearly everything. */
function untilMs(text: string | null): number | undefined {
  const wait = text?.includes(':') ? Date.parse(text) - Date.now() : Number.NaN;
  return Number.isNaN(wait) ? undefined : wait;
}

/** `retryDelay` of Google's RetryInfo, in the details of an error, wherever they are. */
function retryDelayMs(error: unknown): number | undefined {
  for (const one of Array.isArray(error) ? error : [error]) {
    const { error: inner, details } = asObject(one) ?? {};
    for (const detail of Array.isArray(details) ? details : []) {
      const { retryDelay } = asObject(detail) ?? {};
      const { seconds } = asObject(retryDelay) ?? {};
      const wait = durationMs(asText(retryDelay) ?? (seconds === undefined ? undefined : String(seconds)), 's');
      if (wait !== undefined) return wait;
    }
    const wait = inner === undefined ? undefined : retryDelayMs(inner);
    if (wait !== undefined) return wait;
  }
  return undefined;
}

/**
 * Milliseconds a response asks to wait, at most an hour; undefined when it does not say. The first of its forms that means
 * something counts: `retry-after-ms`, `Retry-After` as seconds or as a date, `retryDelay` in the body.
 */
export function retryAfterMs(headers: Headers, body?: unknown): number | undefined {
  const after = headers.get('retry-after');
  const wait =
    durationMs(headers.get('retry-after-ms'), 'ms') ?? durationMs(after, 's') ?? untilMs(after) ?? retryDelayMs(body);
  return wait === undefined ? undefined : Math.round(Math.min(Math.max(wait, 0), HOUR_MS));
}
