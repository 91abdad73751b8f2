/** What a submit's headers say of the form of its answer. */

const MAX_WAIT_S = 60;

/** Seconds of `Prefer: wait=N`, at most 60; null when it says nothing of waiting. `respond-async` is not to wait. */
export function preferredWait(header = ''): number | null {
  const match = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,6})/i.exec(header);
  if (match) return Math.min(Number(match[1]), MAX_WAIT_S);
  return /(?:^|[,;\s])respond-async(?![\w-])/i.test(header) ? 0 : null;
}

/** The weight an Accept header gives to a media type that it names; 0 when it does not. */
function weight(header: string, type: string): number {
  const part = header.split(',').find((range) => range.trim().toLowerCase().startsWith(type));
  const q = /;\s*q=([\d.]+)/i.exec(part ?? '')?.[1];
  return part === undefined ? 0 : Number(q ?? 1);
}

/** Whether events are preferred to JSON. */
export function wantsEvents(header = ''): boolean {
  const events = weight(header, 'text/event-stream');
  return events > 0 && events >= weight(header, 'application/json');
}
