import type { DicomJson } from '@callosum/dicom';
import type { Clock } from '@callosum/kernel';

import { WorklistTooLargeError } from '../domain/worklist/errors.js';
import type { ImagingOrder, WorklistSite } from '../domain/worklist/order.js';
import type { Due } from '../domain/worklist/order-time.js';
import { worklistItem } from '../domain/worklist/worklist-item.js';
import { answerOf, type WorklistQuery } from '../domain/worklist/worklist-query.js';
import type { FairTurns } from './fair-turns.js';
import type { Orders } from './worklist-ports.js';

/** An order of the answer; `orderId` is its id in the record. */
export interface WorklistMatch {
  readonly orderId: string;
  readonly item: DicomJson;
}

export interface WorklistParts {
  readonly orders: Orders;
  readonly site: WorklistSite;
  readonly clock: Clock;
  /** That one query reads: a modality asks for a day. */
  readonly ordersMax: number;
  /** Of the record, by the AEs that ask: it takes what the EHR writes, too. */
  readonly turns: FairTurns;
  /** An order cannot be said in DICOM: one such must not take the list from everybody. */
  readonly onLeftOut: (orderId: string, error: unknown) => void;
}

/** C-FIND of the Modality Worklist (PS3.4 annex K): what is ordered and not done, as it stands in the record now. */
export class FindWorklist {
  constructor(private readonly parts: WorklistParts) {}

  /** @throws {WorklistTooLargeError} and what `Orders.search` throws */
  async *execute(
    query: WorklistQuery,
    { callingAet, signal }: { readonly callingAet: string; readonly signal: AbortSignal },
  ): AsyncGenerator<WorklistMatch, void> {
    const { orders, site, clock, ordersMax, turns } = this.parts;
    const due: Due = { at: clock.now(), days: site.undatedDays ?? 0, ...query.start };
    let read = 0;
    const pages = orders.search(query.narrowing, signal)[Symbol.asyncIterator]();
    try {
      for (;;) {
        // Nobody has a turn while the one that asks reads what was found.
        const giveBack = await turns.take(callingAet, signal);
        const { done, value: page } = await pages.next().finally(giveBack);
        if (done) return;
        read += page.length;
        if (read > ordersMax) throw new WorklistTooLargeError(ordersMax);
        for (const order of page) {
          const item = this.#answer(order, query, due);
          if (item) yield { orderId: order.order.id, item };
        }
      }
    } finally {
      await pages.return?.();
    }
  }

  leaveOut(orderId: string, error: unknown): void {
    this.parts.onLeftOut(orderId, error);
  }

  #answer(order: ImagingOrder, query: WorklistQuery, due: Due): DicomJson | undefined {
    try {
      return answerOf(worklistItem(order, this.parts.site, due), query);
    } catch (error) {
      this.leaveOut(order.order.id, error);
      return undefined;
    }
  }
}
