import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';

import type { ClaimedRequestor, CommitmentToTake } from '../application/commitment-ports.js';
import type { Commitment } from '../domain/commitment.js';
import { CommitmentClaimLostError } from '../domain/commitment-errors.js';
import type { CommitmentTable, CommitmentTables } from './commitment-tables.js';

// Statements on rows of commitments and their requestors.

type Tables = CommitmentTables;

export const fromNow = (ms: number) => sql<Date>`now() + make_interval(secs => ${ms / 1000})`;

/** @returns false when the requestor has asked under this Transaction UID before */
export async function insert(
  trx: Transaction<Tables>,
  id: string,
  request: CommitmentToTake,
  holdMs: number,
  isDuplicate: boolean,
): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await trx
    .insertInto('commitment')
    .values({
      id,
      aet: request.aet,
      transaction_uid: request.transactionUid,
      digest: request.digest,
      is_duplicate: isDuplicate,
      ...referencesOf(request),
      state: 'waiting',
      due_at: fromNow(holdMs),
      association_id: request.associationId,
      traceparent: request.traceparent ?? null,
    })
    .onConflict((on) => on.doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

/** A request that ended keeps none: one that comes again brings its own, which are the same by their digest. */
export const referencesOf = ({ references }: CommitmentToTake) => ({
  sop_references: JSON.stringify(references.map((one) => [one.sopClassUid, one.sopInstanceUid])),
  reference_count: references.length,
});

/** Changes the requestor's row. @throws {CommitmentClaimLostError} somebody else has it */
export async function held(db: Kysely<Tables>, { aet, fence }: ClaimedRequestor, change: object): Promise<void> {
  const { numUpdatedRows } = await db
    .updateTable('commitment_requestor')
    .set(change)
    .where('aet', '=', aet)
    .where('fence', '=', fence)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw new CommitmentClaimLostError();
}

/** It was reported. */
export async function end(db: Kysely<Tables>, id: string): Promise<void> {
  await db
    .updateTable('commitment')
    .set({ state: 'reported', ended_at: sql<Date>`now()`, error_code: null, sop_references: '[]', reference_count: 0 })
    .where('id', '=', id)
    .where('state', '=', 'waiting')
    .execute();
}

/** Its report was not taken: due again after `pauseMs`, which lets the others of its requestor go first. */
export async function putOff(db: Kysely<Tables>, id: string, errorCode: string, pauseMs: number): Promise<void> {
  await db
    .updateTable('commitment')
    .set({ attempts: sql<number>`attempts + 1`, error_code: errorCode, due_at: fromNow(pauseMs) })
    .where('id', '=', id)
    .where('state', '=', 'waiting')
    .execute();
}

export const commitmentOf = (row: Selectable<CommitmentTable>): Commitment => ({
  id: row.id,
  aet: row.aet,
  transactionUid: row.transaction_uid,
  references: row.sop_references.map(([sopClassUid, sopInstanceUid]) => ({ sopClassUid, sopInstanceUid })),
  isDuplicate: row.is_duplicate,
  attempts: row.attempts,
  ...(row.traceparent === null ? {} : { traceparent: row.traceparent }),
});
