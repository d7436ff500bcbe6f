import type { ServiceRequest } from '@callosum/fhir';

/** When a step is scheduled, as DICOM writes it: on the clock of the modality. */
export interface ScheduledStart {
  /** DA; '' when nobody said. */
  readonly date: string;
  /** TM; '' for a whole day. */
  readonly time: string;
}

/**
 * What a question is about: an order that nobody dated is due on each day from its authoring on, until it is ended. It
 * starts on the last of those days that is asked for.
 */
export interface Due {
  /** When it is asked. */
  readonly at: Date;
  /** So many days after its authoring an order is looked for no more. */
  readonly days: number;
  /** Dates or moments as DICOM writes them. */
  readonly from?: string;
  readonly to?: string;
}

const moment = /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})?)?$/;

/**
 * Start of an order: its occurrence, or for one without, since when it stands, or is due.
 * @param timeZone IANA name; without one the clock is that of the value's own offset
 */
export function scheduledStart(order: ServiceRequest, timeZone?: string, due?: Due): ScheduledStart {
  const { occurrenceDateTime, occurrencePeriod, occurrenceTiming, authoredOn = '' } = order;
  const occurrence =
    occurrenceDateTime ??
    occurrencePeriod?.start ??
    occurrenceTiming?.event?.[0] ??
    occurrenceTiming?.repeat?.boundsPeriod?.start;
  if (occurrence !== undefined) return onClock(occurrence, timeZone);
  const authored = onClock(authoredOn, timeZone);
  return due && authored.date !== '' ? dueStart(authored, today(due.at, authoredOn, timeZone), due) : authored;
}

function dueStart(authored: ScheduledStart, now: string, { days, from = '', to }: Due): ScheduledStart {
  const ends = [now, daysAfter(authored.date, days), ...(to === undefined ? [] : [to.slice(0, 8)])];
  const date = ends.reduce((first, end) => (end < first ? end : first));
  if (date > authored.date) return { date, time: '' };
  // Later on its own day it is as due as it was.
  const isLater = from.startsWith(authored.date) && from > authored.date + authored.time;
  return isLater ? { date: authored.date, time: '' } : authored;
}

/** The day it is on the clock that an order is written by. */
function today(at: Date, written: string, timeZone?: string): string {
  const [offset] = /(Z|[+-]\d{2}:\d{2})$/.exec(written) ?? [];
  if (timeZone !== undefined || offset === undefined) return inZone(at, timeZone).date;
  const [, sign = '+', hours = '0', minutes = '0'] = /^([+-])(\d{2}):(\d{2})$/.exec(offset) ?? [];
  const offsetMs = (Number(hours) * 60 + Number(minutes)) * 60_000;
  return dicomDate(new Date(at.getTime() + (sign === '-' ? -offsetMs : offsetMs)));
}

function daysAfter(date: string, days: number): string {
  const [year, month, day] = [date.slice(0, 4), date.slice(4, 6), date.slice(6)].map(Number);
  return dicomDate(new Date(Date.UTC(year ?? 0, (month ?? 1) - 1, (day ?? 1) + days)));
}

const dicomDate = (at: Date): string => at.toISOString().slice(0, 10).replaceAll('-', '');

function onClock(value: string, timeZone?: string): ScheduledStart {
  const written = moment.exec(value);
  if (!written) return { date: '', time: '' };
  const [text, year = '', month = '', day = '', hour, minute = '00', second = '00'] = written;
  if (hour === undefined) return { date: year + month + day, time: '' };
  const isZoned = /(Z|[+-]\d{2}:\d{2})$/.test(text);
  // FHIR allows leap seconds, which no clock here knows.
  const at = new Date(text.replace(/:60(?=[.Z+-])/, ':59'));
  if (timeZone !== undefined && isZoned && !Number.isNaN(at.getTime())) return inZone(at, timeZone);
  return { date: year + month + day, time: hour + minute + (second === '60' ? '59' : second) };
}

/** @param timeZone the system's when absent */
function inZone(at: Date, timeZone?: string): ScheduledStart {
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
