import type { ImagingOrder } from '../domain/worklist/order.js';
import type { OrderNarrowing } from '../domain/worklist/worklist-query.js';

/** Orders of the clinical record. */
export interface Orders {
  /**
   * Active orders for imaging with their patients, page by page; all that fit the narrowing, and perhaps others.
   * @throws {TooManyPatientsError} @throws {FhirUnavailableError} @throws {FhirRequestError}
   */
  search(narrowing: OrderNarrowing, signal: AbortSignal): AsyncIterable<readonly ImagingOrder[]>;
}
