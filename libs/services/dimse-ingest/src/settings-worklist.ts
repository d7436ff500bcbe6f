import { wholeNumber } from '@callosum/config';
import { z } from 'zod';

/** Orders are imaging by these: US Core, the observation category, and sections of HL7 v2 table 0074. */
const imagingCategories = [
  'http://snomed.info/sct|363679005',
  'http://terminology.hl7.org/CodeSystem/observation-category|imaging',
  ...['RAD', 'CT', 'NMR', 'NMS', 'CUS', 'OUS', 'RUS', 'VUS', 'RX', 'XRC'].map(
    (section) => `http://terminology.hl7.org/CodeSystem/v2-0074|${section}`,
  ),
].join(',');

const stations = z.record(z.string().regex(/^[A-Z][A-Z0-9_]{0,15}$/), z.array(z.string().min(1).max(16)).max(100));

const isTimeZone = (name: string): boolean => {
  try {
    return /^[A-Za-z]/.test(name) && new Intl.DateTimeFormat('en', { timeZone: name }) !== undefined;
  } catch {
    return false;
  }
};

/** The modality worklist, see `dimseIngestSettings`. */
export const worklistSettings = {
  CALLOSUM_WORKLIST_CATEGORIES: z
    .string()
    .default(imagingCategories)
    .transform((text) =>
      text
        .split(',')
        .map((token) => token.trim())
        .filter((token) => token !== ''),
    )
    .refine((tokens) => tokens.length > 0 && tokens.length <= 100, 'must name one to 100 categories: system|code,…')
    .describe(
      'Categories of orders (ServiceRequest.category) that stand in the modality worklist: system|code, joined by commas',
    ),
  CALLOSUM_WORKLIST_STATIONS: z
    .string()
    .default('{}')
    .transform((text, context) => {
      try {
        return stations.parse(JSON.parse(text));
      } catch {
        context.addIssue({
          code: 'custom',
          message: 'must be a JSON object of AE titles by modality, e.g. {"CT":["CT1","CT2"]}',
        });
        return z.NEVER;
      }
    })
    .describe(
      'AE titles of the stations by modality, a JSON object: ScheduledStationAETitle of orders that name no station. A station without an entry finds such orders only when it does not ask by its title',
    ),
  CALLOSUM_WORKLIST_TIME_ZONE: z
    .string()
    .refine(isTimeZone, 'must be the IANA name of a time zone, e.g. Europe/Berlin')
    .optional()
    .describe(
      "IANA time zone that the modalities' clocks keep; the start of a step is told on that clock. Not set: on the clock of the offset each order is written with",
    ),
  CALLOSUM_WORKLIST_UNDATED_DAYS: wholeNumber(0, 366)
    .default(14)
    .describe(
      'An active order without an occurrence is due each day from its authoring until the record says that it is ended, and for so many days at most; 0: on the day of its authoring alone. Where the FHIR server does not answer the modifier `:missing` it is found on that day and the next (worklist.undated-refused)',
    ),
  CALLOSUM_WORKLIST_ORDERS_MAX: wholeNumber(100, 100_000)
    .default(5_000)
    .describe('Orders one worklist query may read; one that would read more ends with A700'),
};
