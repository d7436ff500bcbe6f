import { CallosumError } from '@callosum/kernel';

/** Thrown when as many requests search as may at once, in all or of one who asks, or wait for the index (503). */
export class TooManySearchesError extends CallosumError {
  constructor(options?: { cause?: unknown }) {
    super('dicomweb.too-many-searches', 'unavailable', 'too many requests search at once', options);
  }
}
