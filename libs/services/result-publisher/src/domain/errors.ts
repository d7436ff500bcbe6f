import { CallosumError } from '@callosum/kernel';

/** Thrown when a result cannot be written as DICOM over its source instances; trying again gives the same. */
export class UnpublishableResultError extends CallosumError {
  constructor(message: string) {
    super('results.unpublishable', 'invalid', message);
  }
}
