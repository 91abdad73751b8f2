/** Texts that clients give, bounded in characters as JSON Schema counts them: by code point, not by half a pair. */
import { z } from 'zod';

/** A text of so many characters, which every store can keep as it is. */
export const textOf = (min: number, max: number) =>
  z
    .string()
    .refine((text) => text.isWellFormed(), 'must not hold half of a surrogate pair')
    // A text has at least half as many code points as units: those need not be counted.
    .refine((text) => text.length >= min && text.length <= 2 * max && [...text].length <= max, {
      message: `must have ${min} to ${max} characters`,
    })
    .meta({
      override({ jsonSchema }) {
        Object.assign(jsonSchema, { minLength: min, maxLength: max });
      },
    });
