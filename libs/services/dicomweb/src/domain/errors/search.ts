import { CallosumError } from '@callosum/kernel';

/** Thrown when as many requests search as may at once (503). */
export class TooManySearchesError extends CallosumError {
  constructor() {
    super('dicomweb.too-many-searches', 'unavailable', 'too many requests search at once');
  }
}
