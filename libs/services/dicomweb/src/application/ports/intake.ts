/** How an object went into the archive. */
export interface StoredObject {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly status: 'stored' | 'duplicate' | 'correction' | 'conflicting-pixels' | 'conflicting-study';
}

export interface IntakeContext {
  /** Name of the sender. */
  readonly source: string;
  /** One a request. */
  readonly transferId: string;
  /** The study the object must belong to. */
  readonly studyInstanceUid: string | undefined;
}

/** Which object it is, where its header can be read. */
export interface SopReference {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
}

/** One object on its way into the archive; one of `commit` and `abort` ends it. */
export interface ObjectWriter {
  /** Resolves when more may be written. The bytes must not change afterwards. */
  write(bytes: Uint8Array): Promise<void>;
  /** Which object it is, by the bytes so far. */
  sopInstance(): SopReference | undefined;
  /**
   * Resolves when the object is durable.
   * @throws {CallosumError} of kind `unavailable` when the archive cannot store now, of `invalid` when the object is wrong;
   *   nothing of it is left then
   */
  commit(): Promise<StoredObject>;
  /** Leaves nothing of it. */
  abort(): Promise<void>;
}

export interface ObjectIntake {
  /** Opens the archive for one object. */
  begin(context: IntakeContext): ObjectWriter;
}
