import {
  escapeValue,
  type FhirClient,
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

/** Orders of one page: their patients are asked for by id at once, a hundred ids are one search. */
const pageSize = 100;
/** More Patients than this under one identifier are no answer to a question about one. */
const patientsMax = 20;
/** What stands for something to be done, and is no plan or proposal (R4 request-intent). */
const intents = ['order', 'original-order', 'reflex-order', 'filler-order', 'instance-order'];

type WithId<T> = T & { id: string };
type Pairs = Extract<SearchParams, readonly unknown[]>;

/** ServiceRequests of the FHIR server: active orders of the site's imaging categories. */
export class FhirOrders implements Orders {
  private readonly base: string;

  /**
   * @param base the server's own, as `fhir` addresses it
   * @param categories tokens of ServiceRequest.category that are imaging: "system|code"
   */
  constructor(
    private readonly fhir: FhirClient,
    base: string,
    private readonly categories: readonly string[],
  ) {
    this.base = base.replace(/\/+$/, '');
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
    const isDated = narrowing.from !== undefined || narrowing.to !== undefined;
    yield* this.pages([...common, ...between('occurrence', narrowing)], signal);
    // An order nobody gave a date counts from when it was written: the search above found it where no date was asked for.
    if (isDated)
      yield* this.pages([...common, ['occurrence:missing', 'true'], ...between('authored', narrowing)], signal);
  }

  private async *pages(params: SearchParams, signal: AbortSignal): AsyncGenerator<readonly ImagingOrder[]> {
    for await (const page of this.fhir.searchPages<ServiceRequest>('ServiceRequest', params, signal)) {
      const orders = page.filter(({ doNotPerform }) => doNotPerform !== true);
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
      yield orders.flatMap((order): ImagingOrder[] => {
        const patient = patients.get(this.localId('Patient', order.subject) ?? '');
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
      resource?.resourceType === 'Patient' && resource.id ? [`Patient/${resource.id}`] : [],
    );
    const isPart = link.some(({ relation }) => relation === 'next');
    if (found.length > patientsMax || isPart) throw new TooManyPatientsError(patientsMax);
    return found;
  }

  private async byId<T extends Patient | Practitioner>(
    resourceType: T['resourceType'],
    references: readonly (Reference | undefined)[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, WithId<T>>> {
    const ids = new Set(references.flatMap((reference) => this.localId(resourceType, reference) ?? []));
    if (ids.size === 0) return new Map();
    const params = { _id: [...ids], _count: String(pageSize) };
    const found = await this.fhir.searchAll<T>(resourceType, params, pageSize, signal);
    return new Map(found.map((one) => [one.id, one]));
  }

  /** Id of a resource of this server; undefined for another server's, whose ids are others here. */
  private localId(resourceType: string, reference: Reference | undefined): string | undefined {
    const parsed = parseReference(reference?.reference);
    if (parsed?.resourceType !== resourceType) return undefined;
    return parsed.base === undefined || parsed.base === this.base ? parsed.id : undefined;
  }
}

function between(parameter: string, { from, to }: OrderNarrowing): Pairs {
  return [
    ...(from === undefined ? [] : ([[parameter, `ge${from}`]] as const)),
    ...(to === undefined ? [] : ([[parameter, `le${to}`]] as const)),
  ];
}
