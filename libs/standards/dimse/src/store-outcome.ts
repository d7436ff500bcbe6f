import type { CallosumError } from '@callosum/kernel';

/** A DICOM file to send: a path, or its bytes. */
export type DicomFile = string | Uint8Array;

/** What became of one file, in the order the files were given. */
export interface StoreOutcome {
  readonly file: DicomFile;
  /** Absent when the file is no DICOM file. */
  readonly sopInstanceUid?: string;
  /** Status of the C-STORE response; absent when it was never sent. */
  readonly status?: number;
  /** Error Comment of the response. */
  readonly comment?: string;
  /** True for Success and the warnings. */
  readonly stored: boolean;
  /** Why it was not sent: NotPart10Error or ContextRefusedError. */
  readonly error?: CallosumError;
}
