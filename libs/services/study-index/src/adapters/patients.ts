import { type Kysely, sql } from 'kysely';

import { IndexContentionError } from '../domain/errors.js';
import type { StudyIndexTables } from './tables.js';

/** Patients looked at in one turn: each is one step of an index. */
const patientsAtOnce = 5_000;

/**
 * Forgets patients of whom nothing is indexed any more: all of it was hidden, erased or corrected. Some of them a turn, in
 * the order of their digests.
 * @param after where the last turn ended; '' to begin
 * @returns where this one ended; '' at the end of them
 */
export async function forgetPatients(db: Kysely<StudyIndexTables>, after: string): Promise<string> {
  const { rows } = await sql<{ last: string | null; looked: number }>`
    with looked as (
      select patient_digest from patient where patient_digest > ${after} order by patient_digest limit ${patientsAtOnce}
    ), forgotten as (
      delete from patient p using looked where p.patient_digest = looked.patient_digest
        and not exists (select 1 from instance i where i.patient_digest = p.patient_digest)
    )
    select max(patient_digest) as last, count(*)::int as looked from looked`
    .execute(db)
    .catch((error: unknown) => {
      // One came back at this moment: the next turn looks again.
      if (isStillReferred(error)) return { rows: [{ last: after, looked: patientsAtOnce }] };
      throw error;
    });
  const [row] = rows;
  return row && row.looked === patientsAtOnce ? (row.last ?? '') : '';
}

/** A patient that an instance refers to was forgotten at the moment it came: the same again writes both. */
export function asContention(error: unknown, sopInstanceUid: string): unknown {
  return isStillReferred(error) ? new IndexContentionError(sopInstanceUid) : error;
}

/** Foreign key violation (PostgreSQL error 23503), from either side. */
const isStillReferred = (error: unknown): boolean => (error as { code?: unknown } | null)?.code === '23503';
