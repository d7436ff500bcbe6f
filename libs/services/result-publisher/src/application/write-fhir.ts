import { type Bundle, FhirUnavailableError } from '@callosum/fhir';

import { resourceKeys } from '../domain/fhir/patient-resources.js';
import { LinkNotCurrentError } from './errors.js';
import type {
  ClaimedPublication,
  FhirSink,
  LeasePurpose,
  PublishLease,
  PublishLeases,
  WrittenLedger,
} from './ports.js';

/** A FHIR transaction needs this much of the lease: less, and the decision might change under it. */
const writeMsMin = 2_000;
/** A transaction of a large study takes seconds; longer means the server hangs. */
const writeMsMax = 25_000;
/** A write is aborted this long before its lease ends: a server that has the whole request goes on without us. */
const abortMarginMs = 5_000;

interface WriteDependencies {
  readonly leases: PublishLeases;
  readonly fhir: FhirSink;
  readonly ledger: WrittenLedger;
}

/**
 * Runs `work` under a lease on the decision a publication stands on. A lease under which a transaction may still be
 * happening is not given back: a decision that changes waits until it has run out, and then sees what was written.
 */
export async function underLease<T>(
  { leases }: WriteDependencies,
  claim: ClaimedPublication,
  purpose: LeasePurpose,
  work: (lease: PublishLease) => Promise<T>,
): Promise<T> {
  const lease = await leases.acquire(claim, purpose);
  let mayStillHappen = false;
  try {
    return await work(lease);
  } catch (error) {
    mayStillHappen = error instanceof FhirUnavailableError && error.outcome === 'unknown';
    throw error;
  } finally {
    if (!mayStillHappen) await lease.release();
  }
}

/**
 * Sends a transaction once everything in it that names a Patient is remembered, and the decision is still current.
 * @throws {LinkNotCurrentError} when it is not, or the lease is about to end
 */
export async function writeFhir(
  { fhir, ledger }: WriteDependencies,
  claim: ClaimedPublication,
  lease: PublishLease,
  bundle: Bundle,
): Promise<Bundle> {
  await ledger.aboutToWrite(claim, resourceKeys(bundle));
  await lease.confirm();
  const timeoutMs = Math.min(lease.remainingMs() - abortMarginMs, writeMsMax);
  if (timeoutMs < writeMsMin) throw new LinkNotCurrentError(claim.studyInstanceUid);
  return fhir.transact(bundle, timeoutMs);
}
