import { type FhirClient, parseReference, type Patient } from '@callosum/fhir';

import { TooManyPatientsError } from '../domain/worklist/errors.js';

export type RecordPatient = Patient & { readonly id: string };

/** As many merges one after the other as a record has of one person; more is a ring. */
const mergesMax = 10;

/**
 * Patients of a FHIR record after merges (Patient.link `replaced-by`): an order may name the Patient that was merged away,
 * whose name and identifiers are nobody's any more.
 */
export class MergedPatients {
  /**
   * @param base the server's own, as `fhir` addresses it
   * @param read Patients of these ids, as far as there are any
   */
  constructor(
    private readonly fhir: FhirClient,
    private readonly base: string,
    private readonly read: (ids: ReadonlySet<string>, signal: AbortSignal) => Promise<readonly RecordPatient[]>,
  ) {}

  /** Who each of these is now, by the id it was asked for by; without those whose merges lead to nobody of this record. */
  async survivors(patients: Iterable<RecordPatient>, signal: AbortSignal): Promise<ReadonlyMap<string, RecordPatient>> {
    const known = new Map([...patients].map((one) => [one.id, one]));
    const asked = [...known.keys()];
    for (let merges = 0; merges < mergesMax; merges++) {
      const next = [...known.values()].flatMap((one) => this.#replacementOf(one) ?? []).filter((id) => !known.has(id));
      if (next.length === 0) break;
      const found = await this.read(new Set(next), signal);
      if (found.length === 0) break;
      for (const one of found) known.set(one.id, one);
    }
    return new Map(
      asked.flatMap((id) => {
        const survivor = this.#survivorOf(id, known);
        return survivor ? [[id, survivor] as const] : [];
      }),
    );
  }

  /**
   * Ids of all Patients that are one of these now, themselves too.
   * @throws {TooManyPatientsError}
   */
  async mergedInto(
    survivors: Iterable<string>,
    patientsMax: number,
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>> {
    const all = new Set(survivors);
    let frontier = [...all];
    for (let merges = 0; merges < mergesMax && frontier.length > 0; merges++) {
      const params = { link: frontier.map((id) => `Patient/${id}`), _count: String(patientsMax + 1) };
      const { entry = [], link = [] } = await this.fhir.search('Patient', params, signal);
      const targets = new Set(frontier);
      frontier = entry.flatMap(({ resource }) => {
        if (resource?.resourceType !== 'Patient' || !resource.id || all.has(resource.id)) return [];
        return targets.has(this.#replacementOf(resource) ?? '') ? [resource.id] : [];
      });
      for (const id of frontier) all.add(id);
      if (all.size > patientsMax || link.some(({ relation }) => relation === 'next'))
        throw new TooManyPatientsError(patientsMax);
    }
    return all;
  }

  /** Undefined also for a ring, and where a Patient is said to be replaced by several. */
  #survivorOf(id: string, known: ReadonlyMap<string, RecordPatient>): RecordPatient | undefined {
    let current = known.get(id);
    for (let merges = 0; current && merges <= mergesMax; merges++) {
      if (!isReplaced(current)) return current;
      current = known.get(this.#replacementOf(current) ?? '');
    }
    return undefined;
  }

  #replacementOf({ link = [] }: Patient): string | undefined {
    const [replacement, ...others] = link.filter(({ type }) => type === 'replaced-by');
    const parsed = others.length === 0 ? parseReference(replacement?.other?.reference) : undefined;
    if (parsed?.resourceType !== 'Patient') return undefined;
    return parsed.base === undefined || parsed.base === this.base ? parsed.id : undefined;
  }
}

const isReplaced = ({ link = [] }: Patient): boolean => link.some(({ type }) => type === 'replaced-by');
