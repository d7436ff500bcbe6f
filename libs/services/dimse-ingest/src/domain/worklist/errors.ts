import { CallosumError } from '@callosum/kernel';

/** Thrown when the record knows more patients of one identifier than a query may be about: part of them would be no answer. */
export class TooManyPatientsError extends CallosumError {
  constructor(patientsMax: number) {
    super('dimse-ingest.too-many-patients', 'unavailable', `more than ${patientsMax} patients of one identifier`);
  }
}

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
