import { type Attribute, attribute, type Dataset, textOf } from './dataset.js';

/** ±HHMM of Timezone Offset From UTC (0008,0201), in minutes. */
function offsetMinutes(source: Dataset): number {
  const [, sign, hours, minutes] = /^([+-])(\d{2})(\d{2})$/.exec(textOf(source, '00080201') ?? '') ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0));
}

/**
 * Date and time attributes for a moment of the job. They stand in the source's timezone offset, which is copied;
 * a source that names none gets UTC, without the attribute, for the attribute would speak for its Study Date too.
 */
export function dateAndTime(at: Date, copied: Dataset): { readonly date: Attribute; readonly time: Attribute } {
  const local = new Date(at.getTime() + offsetMinutes(copied) * 60_000).toISOString();
  return {
    date: attribute('DA', local.slice(0, 10).replaceAll('-', '')),
    time: attribute('TM', `${local.slice(11, 19).replaceAll(':', '')}.${local.slice(20, 23)}000`),
  };
}
