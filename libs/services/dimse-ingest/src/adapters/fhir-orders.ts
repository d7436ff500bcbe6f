import {
  escapeValue,
  type FhirClient,
  FhirRequestError,
  parseReference,
  type Patient,
  type Practitioner,
  type Reference,
  type SearchParams,
  type ServiceRequest,
} from '@callosum/fhir';

import type { Orders } from '../application/worklist-ports.js';
import { TooManyPatientsError } from '../domain/worklist/errors.js';
import type { ImagingOrder } from '../domain/worklist/order.js';
import type { OrderNarrowing } from '../domain/worklist/worklist-query.js';
import { MergedPatients } from './merged-patients.js';

/** Orders of one page: their patients are asked for by id at once, a hundred ids are one search. */
const pageSize = 100;
/** More Patients than this under one identifier are no answer to a question about one. */
const patientsMax = 20;
/** What stands for something to be done, and is no plan or proposal (R4 request-intent). */
const intents = ['order', 'original-order', 'reflex-order', 'filler-order', 'instance-order'];

type WithId<T> = T & { id: string };
type Pairs = Extract<SearchParams, readonly unknown[]>;

/** How orders without an occurrence are looked for beyond the day they were written. */
export interface UndatedOrders {
  /** So long after its authoring. */
  readonly days: number;
  /**
   * The server answers no `:missing`, as HAPI does unless it is told to: it is asked again after an hour.
   * @param error none where it passes over it, and gives orders with a date
   */
  readonly onRefused: (error?: FhirRequestError) => void;
}

const askedAgainMs = 3_600_000;

/** ServiceRequests of the FHIR server: active orders of the site's imaging categories. */
export class FhirOrders implements Orders {
  private readonly base: string;
  private readonly merged: MergedPatients;
  private undatedAskedFrom = 0;

  /**
   * @param base the server's own, as `fhir` addresses it
   * @param categories tokens of ServiceRequest.category that are imaging: "system|code"
   * @param undated on the day of their authoring alone when absent
   */
  constructor(
    private readonly fhir: FhirClient,
    base: string,
    private readonly categories: readonly string[],
    private readonly undated: UndatedOrders = { days: 0, onRefused: () => undefined },
  ) {
    this.base = base.replace(/\/+$/, '');
    this.merged = new MergedPatients(fhir, this.base, (ids, signal) => this.read<Patient>('Patient', ids, signal));
  }

  async *search(narrowing: OrderNarrowing, signal: AbortSignal): AsyncGenerator<readonly ImagingOrder[]> {
    const subjects = await this.subjects(narrowing, signal);
    if (subjects?.length === 0) return;
    const common: Pairs = [
      ['status', 'active'],
      ['intent', intents],
      ['category', this.categories],
      ['_count', String(pageSize)],
      ...(subjects ? ([['subject', subjects]] as const) : []),
      ...(narrowing.accessionNumber === undefined
        ? []
        : ([['identifier', escapeValue(narrowing.accessionNumber)]] as const)),
    ];
    const { from, to } = narrowing;
    const hasDates = from !== undefined || to !== undefined;
    const given = new Set<string>();
    yield* this.pages([...common, ...between('occurrence', narrowing)], given, signal);
    // An order nobody gave a date counts from when it was written: the search above found it where no date was asked for.
    // Not by `occurrence:missing`: a timing that says how often and not when is an occurrence without a date.
    if (hasDates) yield* this.pages([...common, ...between('authored', narrowing)], given, signal);
    if (from !== undefined) yield* this.overdue(from, common, given, signal);
  }

  /** Undated orders written before: due until they are ended. Asked for by what they lack: with a date they are too many. */
  private async *overdue(
    from: string,
    common: Pairs,
    given: Set<string>,
    signal: AbortSignal,
  ): AsyncGenerator<readonly ImagingOrder[]> {
    const { days, onRefused } = this.undated;
    if (days === 0 || Date.now() < this.undatedAskedFrom) return;
    const written = between('authored', { from: daysBefore(from, days), to: from });
    let isAnswered = false;
    try {
      for await (const page of this.pages([...common, ['occurrence:missing', 'true'], ...written], given, signal)) {
        // All that was written in so many days: too many to look through.
        if (page.some(({ order }) => isDated(order))) return this.refused(onRefused);
        isAnswered = true;
        yield page;
      }
    } catch (error) {
      // A worklist without them is one a modality can work with, and the one there was before. Their patients are another question.
      if (isAnswered || !(error instanceof FhirRequestError) || error.kind === 'unavailable') throw error;
      if (error.interaction !== 'GET ServiceRequest') throw error;
      this.refused(() => onRefused(error));
    }
  }

  private refused(tell: () => void): void {
    this.undatedAskedFrom = Date.now() + askedAgainMs;
    tell();
  }

  /** @param given ids of orders that were given already: they are left out */
  private async *pages(
    params: SearchParams,
    given: Set<string>,
    signal: AbortSignal,
  ): AsyncGenerator<readonly ImagingOrder[]> {
    for await (const page of this.fhir.searchPages<ServiceRequest>('ServiceRequest', params, signal)) {
      const orders = page.filter(({ id, doNotPerform }) => doNotPerform !== true && !given.has(id));
      for (const { id } of orders) given.add(id);
      const [patients, practitioners] = await Promise.all([
        this.byId<Patient>(
          'Patient',
          orders.map(({ subject }) => subject),
          signal,
        ),
        this.byId<Practitioner>(
          'Practitioner',
          orders.map(({ requester }) => requester),
          signal,
        ),
      ]);
      const survivors = await this.merged.survivors(patients.values(), signal);
      yield orders.flatMap((order): ImagingOrder[] => {
        const patient = survivors.get(this.localId('Patient', order.subject) ?? '');
        const requester = practitioners.get(this.localId('Practitioner', order.requester) ?? '');
        // Nobody can be examined without being known.
        return patient ? [{ order, patient, ...(requester ? { requester } : {}) }] : [];
      });
    }
  }

  /**
   * References of the Patients of this identifier; undefined where none was asked for.
   * @throws {TooManyPatientsError}
   */
  private async subjects({ patientIdentifier }: OrderNarrowing, signal: AbortSignal): Promise<string[] | undefined> {
    if (patientIdentifier === undefined) return undefined;
    const params = { identifier: escapeValue(patientIdentifier), _count: String(patientsMax + 1) };
    const { entry = [], link = [] } = await this.fhir.search('Patient', params, signal);
    const found = entry.flatMap(({ resource }) =>
      resource?.resourceType === 'Patient' && resource.id ? [{ ...resource, id: resource.id }] : [],
    );
    const isPart = link.some(({ relation }) => relation === 'next');
    if (found.length > patientsMax || isPart) throw new TooManyPatientsError(patientsMax);
    // Orders may name a Patient that was merged into one of these, and one of these may be merged away itself.
    const survivors = await this.merged.survivors(found, signal);
    const ids = [...survivors.values()].map(({ id }) => id);
    return [...(await this.merged.mergedInto(ids, patientsMax, signal))].map((id) => `Patient/${id}`);
  }

  private async byId<T extends Patient | Practitioner>(
    resourceType: T['resourceType'],
    references: readonly (Reference | undefined)[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, WithId<T>>> {
    const ids = new Set(references.flatMap((reference) => this.localId(resourceType, reference) ?? []));
    const found = await this.read<T>(resourceType, ids, signal);
    return new Map(found.map((one) => [one.id, one]));
  }

  private async read<T extends Patient | Practitioner>(
    resourceType: T['resourceType'],
    ids: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<readonly WithId<T>[]> {
    if (ids.size === 0) return [];
    const params = { _id: [...ids], _count: String(pageSize) };
    return this.fhir.searchAll<T>(resourceType, params, pageSize, signal);
  }

  /** Id of a resource of this server; undefined for another server's, whose ids are others here. */
  private localId(resourceType: string, reference: Reference | undefined): string | undefined {
    const parsed = parseReference(reference?.reference);
    if (parsed?.resourceType !== resourceType) return undefined;
    return parsed.base === undefined || parsed.base === this.base ? parsed.id : undefined;
  }
}

/** A timing may say how often and not when. */
const isDated = ({ occurrenceDateTime, occurrencePeriod }: ServiceRequest): boolean =>
  (occurrenceDateTime ?? occurrencePeriod?.start ?? occurrencePeriod?.end) !== undefined;

function daysBefore(date: string, days: number): string {
  const at = new Date(`${date}T00:00:00Z`);
  at.setUTCDate(at.getUTCDate() - days);
  return at.toISOString().slice(0, 10);
}

function between(parameter: string, { from, to }: OrderNarrowing): Pairs {
  return [
    ...(from === undefined ? [] : ([[parameter, `ge${from}`]] as const)),
    ...(to === undefined ? [] : ([[parameter, `le${to}`]] as const)),
  ];
}
