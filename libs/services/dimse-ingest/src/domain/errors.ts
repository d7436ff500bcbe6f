import { CallosumError } from '@callosum/kernel';

/** Thrown when the bytes of a C-STORE are no whole dataset in the transfer syntax they came in, or lack a UID. */
export class UnreadableDatasetError extends CallosumError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('dimse-ingest.unreadable-dataset', 'invalid', message, options);
  }
}

/** Thrown when the dataset is of another SOP class or instance than the command said. */
export class UidMismatchError extends CallosumError {
  constructor(attribute: string) {
    super('dimse-ingest.uid-mismatch', 'invalid', `${attribute} of the dataset is not that of the command`);
  }
}
