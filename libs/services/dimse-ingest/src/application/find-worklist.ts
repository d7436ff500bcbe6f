import type { DicomJson } from '@callosum/dicom';

import { WorklistTooLargeError } from '../domain/worklist/errors.js';
import type { WorklistSite } from '../domain/worklist/order.js';
import { worklistItem } from '../domain/worklist/worklist-item.js';
import { answerOf, type WorklistQuery } from '../domain/worklist/worklist-query.js';
import type { Orders } from './worklist-ports.js';

/** C-FIND of the Modality Worklist (PS3.4 annex K): what is ordered and not done, as it stands in the record now. */
export class FindWorklist {
  /** @param ordersMax that one query reads: a modality asks for a day */
  constructor(
    private readonly orders: Orders,
    private readonly site: WorklistSite,
    private readonly ordersMax: number,
  ) {}

  /** @throws {WorklistTooLargeError} and what `Orders.search` throws */
  async *execute(query: WorklistQuery, signal: AbortSignal): AsyncGenerator<DicomJson, void> {
    let read = 0;
    for await (const page of this.orders.search(query.narrowing, signal)) {
      read += page.length;
      if (read > this.ordersMax) throw new WorklistTooLargeError(this.ordersMax);
      for (const order of page) {
        const answer = answerOf(worklistItem(order, this.site), query);
        if (answer) yield answer;
      }
    }
  }
}
