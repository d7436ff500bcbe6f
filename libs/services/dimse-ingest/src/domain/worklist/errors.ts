import { CallosumError } from '@callosum/kernel';

/** Thrown when a worklist query would read more orders than one may: a narrower one ends. */
export class WorklistTooLargeError extends CallosumError {
  constructor(ordersMax: number) {
    super(
      'dimse-ingest.worklist-too-large',
      'unavailable',
      `more than ${ordersMax} orders: narrow it by date or patient`,
    );
  }
}
