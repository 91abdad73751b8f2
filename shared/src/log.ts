/** The log: one JSON line per fact, on standard error. Keys and bearer tokens never pass. */
import { type DestinationStream, type Logger, pino } from 'pino';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error' | 'child'>;

const SECRET =
  /\b(?:sk-|pk-|rk-|bl_)[A-Za-z0-9_-]{6,}|\bBearer\s+[^\s"']+|(?<=:\/\/[^\s:@/]*:)[^\s@/]+(?=@)|(?<=[?&]sentinel_password=)[^&\s"']+/g;

/** Removes what looks like an API key, a bearer token or a password in a URL. */
export function scrub(text: string): string {
  return text.replace(SECRET, '[redacted]');
}

/** What may be logged of an error: its name, code and scrubbed message with its causes. Never request or response bodies. */
export function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: scrub(String(error)).slice(0, 500) };
  const code = (error as { code?: unknown }).code;
  const status = (error as { status?: unknown }).status;
  // A provider's message repeats its response body, which may repeat the prompt: its status is enough.
  const fromProvider = typeof status === 'number' && !('view' in error);
  return {
    name: error.name,
    ...(code === undefined || code === null ? {} : { code: String(code) }),
    ...(typeof status === 'number' ? { status } : {}),
    ...(fromProvider
      ? {}
      : { message: scrub(error.message).slice(0, 500), stack: scrub(error.stack ?? '').slice(0, 2000) }),
    ...(error.cause === undefined ? {} : { cause: errorFields(error.cause) }),
  };
}

/** Writes to standard error, or `to` what is given. */
export function createLog(options: { level: string; name: string; to?: DestinationStream }): Log {
  return pino(
    {
      level: options.level,
      base: { name: options.name, pid: process.pid },
      serializers: { error: errorFields, err: errorFields },
      redact: ['headers', '*.authorization', '*.apiKey', 'input', 'output'],
    },
    options.to ?? pino.destination({ dest: 2, sync: true }),
  );
}
