export interface NewCredential {
  readonly id: string;
  readonly vendor: string;
  readonly label: string;
  readonly tokenSha256: string;
  readonly issuedBy: string;
  readonly expiresAt: Date | undefined;
}

export interface Credential extends Omit<NewCredential, 'tokenSha256'> {
  readonly issuedAt: Date;
  readonly revokedAt: Date | undefined;
  readonly lastUsedAt: Date | undefined;
}

/** Vendors' credentials: rows, so that every replica knows at once. */
export interface Credentials {
  add(credential: NewCredential): Promise<void>;
  /** Newest first. */
  list(): Promise<readonly Credential[]>;
  /** Idempotent. @returns false when there is none */
  revoke(id: string): Promise<boolean>;
  /** Vendor and hash of a credential in force; notes that it was used. */
  inForce(id: string): Promise<{ readonly vendor: string; readonly tokenSha256: string } | undefined>;
  /** Of these, ids that are not in force any more. */
  ended(ids: readonly string[]): Promise<readonly string[]>;
}
