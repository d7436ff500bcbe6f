import { datasetOf, type DicomJson, tagOf } from '@callosum/dicom';
import { systemClock } from '@callosum/kernel';
import { describe, expect, it } from 'vitest';

import { readWorklistQuery } from '../domain/worklist/worklist-query.js';
import { imagingOrder } from '../test-support/orders.js';
import { FairTurns } from './fair-turns.js';
import { FindWorklist } from './find-worklist.js';
import type { Orders } from './worklist-ports.js';

const site = { site: 'default', stations: new Map<string, string[]>() };
const caller = (callingAet = 'CT1') => ({ callingAet, signal: new AbortController().signal });
const worklist = (
  orders: Orders,
  ordersMax = 1_000,
  onLeftOut: (order: string) => void = () => undefined,
): FindWorklist =>
  new FindWorklist({ orders, site, clock: systemClock, ordersMax, turns: new FairTurns(2), onLeftOut });
const query = readWorklistQuery(datasetOf({ AccessionNumber: '', PatientID: 'MRN-1' }));

/** Pages of two orders, without end. */
class EndlessOrders implements Orders {
  pages = 0;

  async *search() {
    for (;;) {
      this.pages++;
      yield await Promise.resolve([imagingOrder(), imagingOrder({ id: `other-${this.pages}` })]);
    }
  }
}

describe('a worklist', () => {
  it('is read as far as the modality reads it', async () => {
    const orders = new EndlessOrders();
    const items = worklist(orders).execute(query, caller());
    const { value } = await items.next();
    expect(value?.item).toMatchObject({ [tagOf('AccessionNumber')]: { Value: ['ACC-77'] } });
    await items.return();
    expect(orders.pages).toBe(1);
  });

  it('has an order that nobody dated from its authoring to today, with the day that was asked for', async () => {
    const undated = imagingOrder({ authoredOn: '2026-11-26T23:50:00+01:00' });
    delete undated.order.occurrenceDateTime;
    const orders = {
      search: async function* () {
        yield await Promise.resolve([undated]);
      },
    };
    const clock = { now: () => new Date('2026-11-28T09:00:00Z') };
    const parts = { orders, clock, ordersMax: 10, turns: new FairTurns(2), onLeftOut: () => undefined };
    const list = new FindWorklist({ ...parts, site: { ...site, undatedDays: 14 } });
    const found = async (date: string): Promise<unknown> => {
      const step = { ScheduledProcedureStepStartDate: date };
      const asked = readWorklistQuery(datasetOf({ ScheduledProcedureStepSequence: [step] }));
      const { value } = await list.execute(asked, caller()).next();
      const [answer] = (value?.item[tagOf('ScheduledProcedureStepSequence')]?.Value ?? []) as DicomJson[];
      return answer?.[tagOf('ScheduledProcedureStepStartDate')]?.Value?.[0];
    };
    const days = ['20261125', '20261126', '20261127', '20261128', '20261129', '20261120-20261127', ''];
    expect(await Promise.all(days.map(found))).toEqual([
      undefined,
      '20261126',
      '20261127',
      '20261128',
      undefined,
      '20261127',
      '20261128',
    ]);
  });

  it('that would read too many orders ends, whatever of them matches', async () => {
    const none = readWorklistQuery(datasetOf({ PatientName: 'nobody' }));
    const items = worklist(new EndlessOrders(), 5).execute(none, caller());
    await expect(items.next()).rejects.toMatchObject({
      code: 'dimse-ingest.worklist-too-large',
      kind: 'unavailable',
    });
  });

  it('leaves out an order that cannot be said, and answers the others', async () => {
    const odd = imagingOrder({ id: 'odd' });
    Object.defineProperty(odd.order, 'identifier', {
      get: () => {
        throw new RangeError('odd');
      },
    });
    const orders = {
      search: async function* () {
        yield await Promise.resolve([odd, imagingOrder()]);
      },
    };
    const leftOut: string[] = [];
    const list = worklist(orders, 10, (order: string) => void leftOut.push(order));
    const found: string[] = [];
    for await (const { orderId } of list.execute(query, caller())) found.push(orderId);
    expect({ found, leftOut }).toEqual({ found: ['sr1'], leftOut: ['odd'] });
  });

  it('of one AE that asks again and again keeps nobody else waiting', async () => {
    const waiting: (() => void)[] = [];
    const slow = {
      search: async function* () {
        await new Promise<void>((resolve) => waiting.push(resolve));
        yield [imagingOrder()];
      },
    };
    const list = worklist(slow);
    const asked = ['CT1', 'CT1', 'CT1', 'MR1'].map((aet) => list.execute(query, caller(aet)).next());
    await new Promise((resolve) => setImmediate(resolve));
    // One of each: half of the turns is the most an AE has.
    expect(waiting).toHaveLength(2);
    waiting[1]?.();
    await expect(asked[3]).resolves.toMatchObject({ done: false });
    for (let round = 0; round < 3; round++) {
      for (const go of waiting) go();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(asked);
  });
});
