import type { StoredInstance } from '../domain/instance.js';

/** What a tombstone says of instances of a study. */
export interface Withholding {
  readonly studyInstanceUid: string;
  /** Of two about one instance the higher holds, in whatever order they come. */
  readonly sequence: number;
  /**
   * It is a rejection note's, which names series as it believes them; others name those in which the archive shows what they
   * hide.
   */
  readonly isNotes: boolean;
  readonly instances: readonly { readonly seriesInstanceUid: string; readonly sopInstanceUid: string }[];
}

/** An instance that came. */
export interface ReceivedInstance {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
}

/** What the archive shows now. */
export interface ShownInstances {
  /** Those of these instances of the study that the archive shows. */
  shown(studyInstanceUid: string, sopInstanceUids: ReadonlySet<string>): Promise<readonly StoredInstance[]>;
}

/** What the index knows of tombstones, in the transaction of the index and behind the lock of the study. */
export interface Withholdings {
  /** Those of these instances that a tombstone withholds. */
  withheldOf(studyInstanceUid: string, sopInstanceUids: readonly string[]): Promise<ReadonlySet<string>>;
  /** Takes up what a tombstone says. @returns UIDs of which nothing newer was known */
  recordWithholding(withholding: Withholding, withheld: boolean): Promise<readonly string[]>;
  /** Takes note that an instance came, and is not indexed because it is withheld. */
  receiveWithheld(instance: ReceivedInstance): Promise<void>;
  /** Deletes rows of the study. @returns what they were */
  deleteInstances(
    studyInstanceUid: string,
    sopInstanceUids: readonly string[],
  ): Promise<readonly { readonly seriesInstanceUid: string; readonly issuedByCallosum: boolean }[]>;
}
