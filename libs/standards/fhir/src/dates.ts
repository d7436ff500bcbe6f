/** A real calendar date of the given precision, or nothing: "20230231" is none. */
function calendarDate(year: string, month?: string, day?: string): string | undefined {
  if (year === '0000') return undefined;
  if (month === undefined) return year;
  if (Number(month) < 1 || Number(month) > 12) return undefined;
  if (day === undefined) return `${year}-${month}`;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  return date.getUTCDate() === Number(day) && Number(day) > 0 ? `${year}-${month}-${day}` : undefined;
}

/**
 * DICOM DA to FHIR date. Precision is kept: "1970" and "197003", which modalities send although DA has no
 * partial form (PS3.5 6.2), become "1970" and "1970-03". "1970.03.01" is the ACR-NEMA form of PS3.5 6.2 note 3.
 * Undefined when absent or no calendar date: no date is better than a wrong one.
 */
export function dateFromDicom(da: string | undefined): string | undefined {
  const text = da?.trim() ?? '';
  const match = /^(\d{4})(?:(\d{2})(\d{2})?)?$/.exec(text) ?? /^(\d{4})\.(\d{2})\.(\d{2})$/.exec(text);
  return match?.[1] === undefined ? undefined : calendarDate(match[1], match[2], match[3]);
}

/** FHIR date to DICOM DA. Undefined for a partial date, which DA cannot say. */
export function dateToDicom(date: string | undefined): string | undefined {
  const match = /^(\d{4})-(\d{2})-(\d{2})(?:T|$)/.exec(date ?? '');
  return match && dateFromDicom(`${match[1]}${match[2]}${match[3]}`) ? `${match[1]}${match[2]}${match[3]}` : undefined;
}

/**
 * DICOM DA and TM to FHIR dateTime.
 * @param timezone Timezone Offset From UTC (0008,0201) as "+0200", or the site's IANA zone ("Europe/Berlin").
 *   FHIR wants a zone whenever a time is given (R4 datatypes, dateTime): without one the date alone is returned,
 *   as it is for a time without minutes.
 * @returns undefined when the date is absent or no calendar date
 */
export function dateTimeFromDicom(
  da: string | undefined,
  tm: string | undefined,
  timezone: string | undefined,
): string | undefined {
  const date = dateFromDicom(da);
  const time = timeFromDicom(tm);
  if (date?.length !== 10 || !time || !timezone) return date;
  const offset = offsetFromDicom(timezone) ?? offsetInZone(`${date}T${time.slice(0, 8)}Z`, timezone);
  return offset ? `${date}T${time}${offset}` : date;
}

/** DICOM TM ("HHMM", "HHMMSS", "HHMMSS.FFFFFF", ACR-NEMA "HH:MM:SS") to FHIR time; seconds are zero-filled. */
function timeFromDicom(tm: string | undefined): string | undefined {
  const match = /^(\d{2}):?(\d{2})(?::?(\d{2})(\.\d{1,6})?)?$/.exec(tm?.trim() ?? '');
  if (!match) return undefined;
  const [, hour = '', minute = '', second = '00', fraction = ''] = match;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  // A leap second (TM allows 60) is no time in most FHIR servers: the second before it is.
  return `${hour}:${minute}:${second === '60' ? '59' : second}${fraction}`;
}

/** "+0530" to "+05:30"; undefined when it is no offset of PS3.3 C.12.1.1.8 (−1200 to +1400). */
function offsetFromDicom(text: string): string | undefined {
  const match = /^([+-])(\d{2})(\d{2})$/.exec(text.trim());
  if (!match) return undefined;
  const minutes = Number(`${match[1]}1`) * (Number(match[2]) * 60 + Number(match[3]));
  return Number(match[3]) < 60 && minutes >= -720 && minutes <= 840 ? formatOffset(minutes) : undefined;
}

function formatOffset(minutes: number): string {
  const absolute = Math.abs(minutes);
  const part = (value: number): string => String(value).padStart(2, '0');
  return `${minutes < 0 ? '-' : '+'}${part(Math.floor(absolute / 60))}:${part(absolute % 60)}`;
}

/** Offset of a wall-clock time in an IANA zone; of the hour that happens twice in autumn, the first. */
function offsetInZone(wallClockAsUtc: string, zone: string): string | undefined {
  // Intl takes offsets for zones too, also impossible ones.
  if (!/^[A-Za-z]/.test(zone)) return undefined;
  const wall = Date.parse(wallClockAsUtc);
  try {
    const before = zoneOffset(wall - 86_400_000, zone);
    const after = zoneOffset(wall + 86_400_000, zone);
    const candidates = [before, after].filter((minutes) => zoneOffset(wall - minutes * 60_000, zone) === minutes);
    return formatOffset(candidates[0] ?? before);
  } catch {
    return undefined; // no such zone
  }
}

/** Minutes east of UTC in `zone` at an instant. @throws RangeError when the zone is unknown */
function zoneOffset(instantMs: number, zone: string): number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
  const name = format.formatToParts(instantMs).find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const match = /^GMT(?:([+-])(\d{2}):(\d{2}))?/.exec(name);
  return match?.[1] ? Number(`${match[1]}1`) * (Number(match[2]) * 60 + Number(match[3])) : 0;
}
