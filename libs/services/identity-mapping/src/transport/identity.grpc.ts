import { identity } from '@callosum/contracts';
import { isUid } from '@callosum/kernel';

import type { AcquireLease } from '../application/acquire-lease.js';
import type { LeaseStore } from '../application/leases.js';
import type { DecisionStore } from '../application/ports.js';
import { MalformedRequestError } from '../domain/errors.js';

/** When the holder names no duration. */
const leaseMsDefault = 30_000;

/** callosum.identity.v1.IdentityService. */
export class IdentityGrpc implements identity.IdentityServiceImplementation {
  constructor(
    private readonly decisions: Pick<DecisionStore, 'current'>,
    private readonly acquireLease: AcquireLease,
    private readonly leases: Pick<LeaseStore, 'confirm' | 'release'>,
  ) {}

  async getDecision({ studyInstanceUid }: identity.GetDecisionRequest): Promise<identity.GetDecisionResponse> {
    if (!isUid(studyInstanceUid)) throw new MalformedRequestError('study_instance_uid is not a UID');
    const decision = await this.decisions.current(studyInstanceUid);
    const linked = decision?.verdict.state === 'linked' ? decision.verdict : undefined;
    return {
      studyInstanceUid,
      state: !decision
        ? identity.DecisionState.DECISION_STATE_PENDING
        : linked
          ? identity.DecisionState.DECISION_STATE_LINKED
          : identity.DecisionState.DECISION_STATE_QUARANTINED,
      decisionId: decision?.decisionId ?? '',
      patientReference: linked?.patient ?? '',
      identityDigest: decision?.identityDigest ?? '',
    };
  }

  async acquirePublishLease(
    request: identity.AcquirePublishLeaseRequest,
  ): Promise<identity.AcquirePublishLeaseResponse> {
    const durationMs = request.duration
      ? Number(request.duration.seconds) * 1_000 + request.duration.nanos / 1e6
      : leaseMsDefault;
    if (durationMs <= 0) throw new MalformedRequestError('duration is not positive');
    const { studyInstanceUid, decisionId, holder } = request;
    const purpose = request.purpose === identity.LeasePurpose.LEASE_PURPOSE_WITHDRAW ? 'withdraw' : 'publish';
    const lease = await this.acquireLease.run({ studyInstanceUid, decisionId, holder, durationMs, purpose });
    const seconds = Math.floor(lease.durationMs / 1_000);
    return {
      leaseId: lease.leaseId,
      patientReference: lease.patient ?? '',
      expiresAt: lease.expiresAt.toISOString(),
      duration: { seconds: BigInt(seconds), nanos: Math.floor((lease.durationMs - seconds * 1_000) * 1e6) },
    };
  }

  async confirmPublishLease({
    leaseId,
  }: identity.ConfirmPublishLeaseRequest): Promise<identity.ConfirmPublishLeaseResponse> {
    return { expiresAt: (await this.leases.confirm(leaseId)).toISOString() };
  }

  async releasePublishLease({
    leaseId,
  }: identity.ReleasePublishLeaseRequest): Promise<identity.ReleasePublishLeaseResponse> {
    await this.leases.release(leaseId);
    return {};
  }
}
