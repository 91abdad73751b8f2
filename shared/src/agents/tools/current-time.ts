/** `current_time`: what time it is somewhere. */
import { z } from 'zod';
import { defineTool } from '../tool.ts';

/** Names of zones as the IANA database has them, and the offsets that Intl knows. */
const Zone = z
  .string()
  .max(100)
  .refine((zone) => isZone(zone), 'must be a time zone such as Asia/Seoul, Europe/Berlin or UTC')
  .meta({ description: 'The IANA time zone, such as `Asia/Seoul`' });

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/** `2026-01-31T21:00:00+09:00`, and its day of the week. `now` in ms. */
function timeIn(zone: string, now: number) {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    ...({ year: 'numeric', month: '2-digit', day: '2-digit', weekday: 'long' } as const),
    ...({
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      hourCycle: 'h23',
      timeZoneName: 'longOffset',
    } as const),
  });
  const part = Object.fromEntries(format.formatToParts(now).map(({ type, value }) => [type, value]));
  const offset = part.timeZoneName?.replace('GMT', '') || '+00:00';
  const time = `${part.year}-${part.month}-${part.day}T${part.hour}:${part.minute}:${part.second}${offset}`;
  return { time, weekday: part.weekday ?? '', zone };
}

export const currentTime = defineTool({
  name: 'current_time',
  title: { en: 'Current time', ko: '현재 시각' },
  description: 'Tells the date, the time and the day of the week, now, in a time zone. You do not know them otherwise.',
  descriptionKo: '지정한 시간대의 현재 날짜, 시각, 요일을 알려 줍니다.',
  intents: ['chat', 'agent', 'google_calendar'],
  priority: 20,
  effect: 'none',
  input: z.strictObject({ zone: Zone.default('UTC') }),
  output: z.object({
    time: z.string().meta({ description: 'The time there, with its offset from UTC' }),
    weekday: z.string().meta({ description: 'The day of the week, in English' }),
    zone: z.string().meta({ description: 'The time zone' }),
  }),
  argumentsOf: () => ({}),
  run: async ({ zone }, { now }) => timeIn(zone, now()),
});
