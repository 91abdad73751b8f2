/** Times as clients write them. */
import { z } from 'zod';

const SECONDS = z.iso.datetime({ offset: true });
const MINUTES = z.iso.datetime({ offset: true, precision: -1 });

const asTime = {
  override({ jsonSchema }: { jsonSchema: { anyOf?: unknown } }) {
    delete jsonSchema.anyOf;
    Object.assign(jsonSchema, { type: 'string', format: 'date-time' });
  },
};

/** A time of ISO 8601 with its zone, in ms since the epoch; seconds may be left out. */
export const time = () =>
  z
    .union([SECONDS, MINUTES], 'must be a time such as 2026-01-31T12:00:00Z')
    .transform((text) => Date.parse(text))
    .meta(asTime);

/** A time, or a day: from its beginning, or to its end. */
export const timeOrDay = (end: boolean) =>
  z
    .union([SECONDS, MINUTES, z.iso.date()], 'must be a time such as 2026-01-31T12:00:00Z, or a day such as 2026-01-31')
    .transform((text) => Date.parse(text) + (end && !text.includes('T') ? 86_399_999 : 0));
