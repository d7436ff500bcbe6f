import type { Patient, Practitioner, ServiceRequest } from '@callosum/fhir';

/** An order for imaging with whom it is for. */
export interface ImagingOrder {
  readonly order: ServiceRequest & { id: string };
  readonly patient: Patient;
  /** Who ordered it, where the record knows more than a display name. */
  readonly requester?: Practitioner;
}

/** What a site says beside its orders. */
export interface WorklistSite {
  readonly site: string;
  /** IANA name of the zone that modalities keep their clocks in; each order's own offset when absent. */
  readonly timeZone?: string;
  /** How long after its authoring an order that nobody dated is due; on that day alone when absent. */
  readonly undatedDays?: number;
  /** AE titles of stations by modality, for orders that name none. */
  readonly stations: ReadonlyMap<string, readonly string[]>;
}

/** Text as an attribute of limited length holds it (PS3.5 6.2): one value, no control characters. */
export const shortText = (text: string | undefined, charactersMax: number): string =>
  (text ?? '')
    .replace(/[\\\p{Cc}]/gu, ' ')
    .replace(/ +/g, ' ')
    .trim()
    .slice(0, charactersMax)
    .toWellFormed()
    .trim();
