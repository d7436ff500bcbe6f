export interface Lease {
  readonly leaseId: string;
  /** "Patient/<id>": whom to publish to under it. */
  readonly patient: string;
  readonly expiresAt: Date;
}

/** Leases on the right to publish under one decision (rule 3). */
export interface LeaseStore {
  /** @throws {NotCurrentLinkError} when the decision is not the study's current link, or is changing */
  acquire(studyInstanceUid: string, decisionId: string, holder: string, durationMs: number): Promise<Lease>;
  /** When the lease ends; the write must be over by then. @throws {LeaseLostError} when it was revoked or ran out */
  confirm(leaseId: string): Promise<Date>;
  /** Idempotent. */
  release(leaseId: string): Promise<void>;
}
