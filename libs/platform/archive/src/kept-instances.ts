/** Which current instances: of a study, of one of its series, one, or those of a list. */
export interface InstanceSelection {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid?: string;
  readonly sopInstanceUid?: string;
  readonly sopInstanceUids?: readonly string[];
}

/** Current instances of a study. */
export interface StudyIntake {
  readonly instances: number;
  readonly bytes: number;
  /** Made by Callosum (rule 4). */
  readonly issued: number;
  /** Of source instances; null when there are none. */
  readonly firstStoredAt: Date | null;
  readonly lastStoredAt: Date | null;
}

/** A current instance as far as another table can be compared with it. */
export interface KeptInstance {
  readonly sopInstanceUid: string;
  readonly revision: number;
  /** When its first byte came. */
  readonly storedAt: Date;
}
