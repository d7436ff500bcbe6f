/** What a lease lets its holder do: publish for the linked Patient, or withdraw what a quarantine forbids. */
export type LeasePurpose = 'publish' | 'withdraw';

export interface LeaseRequest {
  readonly studyInstanceUid: string;
  readonly decisionId: string;
  /** Who asks, for people who look. */
  readonly holder: string;
  readonly durationMs: number;
  readonly purpose: LeasePurpose;
}

export interface Lease {
  readonly leaseId: string;
  /** "Patient/<id>": whom to publish to under it; undefined under a quarantine. */
  readonly patient: string | undefined;
  /** What was granted; the holder counts it from before it asked. */
  readonly durationMs: number;
  /** By the grantor's clock, for people. */
  readonly expiresAt: Date;
}

/** Leases on the right to write under one decision (rule 3). */
export interface LeaseStore {
  /** @throws {NotCurrentLinkError} when the decision is not the study's current one, not of the purpose's kind, or is changing */
  acquire(request: LeaseRequest): Promise<Lease>;
  /** When the lease ends by the grantor's clock. @throws {LeaseLostError} when it was revoked or ran out */
  confirm(leaseId: string): Promise<Date>;
  /** Idempotent. */
  release(leaseId: string): Promise<void>;
}
