import type { ServiceRequest } from '@callosum/fhir';

/** When a step is scheduled, as DICOM writes it: on the clock of the modality. */
export interface ScheduledStart {
  /** DA; '' when nobody said. */
  readonly date: string;
  /** TM; '' for a whole day. */
  readonly time: string;
}

const moment = /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})?)?$/;

/**
 * Start of an order: its occurrence, or for one without, since when it stands.
 * @param timeZone IANA name; without one the clock is that of the value's own offset
 */
export function scheduledStart(order: ServiceRequest, timeZone?: string): ScheduledStart {
  const { occurrenceDateTime, occurrencePeriod, occurrenceTiming, authoredOn } = order;
  const occurrence =
    occurrenceDateTime ??
    occurrencePeriod?.start ??
    occurrenceTiming?.event?.[0] ??
    occurrenceTiming?.repeat?.boundsPeriod?.start;
  const written = moment.exec(occurrence ?? authoredOn ?? '');
  if (!written) return { date: '', time: '' };
  const [text, year = '', month = '', day = '', hour, minute = '00', second = '00'] = written;
  if (hour === undefined) return { date: year + month + day, time: '' };
  const isZoned = /(Z|[+-]\d{2}:\d{2})$/.test(text);
  // FHIR allows leap seconds, which no clock here knows.
  const at = new Date(text.replace(/:60(?=[.Z+-])/, ':59'));
  if (timeZone !== undefined && isZoned && !Number.isNaN(at.getTime())) return inZone(at, timeZone);
  return { date: year + month + day, time: hour + minute + (second === '60' ? '59' : second) };
}

function inZone(at: Date, timeZone: string): ScheduledStart {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(at);
  const part = (type: Intl.DateTimeFormatPartTypes): string => parts.find((one) => one.type === type)?.value ?? '';
  return {
    date: part('year').padStart(4, '0') + part('month') + part('day'),
    time: part('hour') + part('minute') + part('second'),
  };
}
