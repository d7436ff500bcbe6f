import { datasetOf, tagOf } from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { readWorklistQuery } from '../domain/worklist/worklist-query.js';
import { imagingOrder } from '../test-support/orders.js';
import { FindWorklist } from './find-worklist.js';
import type { Orders } from './worklist-ports.js';

const site = { site: 'default', stations: new Map<string, string[]>() };
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
    const items = new FindWorklist(orders, site, 1_000).execute(query, new AbortController().signal);
    const { value } = await items.next();
    expect(value).toMatchObject({ [tagOf('AccessionNumber')]: { Value: ['ACC-77'] } });
    await items.return();
    expect(orders.pages).toBe(1);
  });

  it('that would read too many orders ends, whatever of them matches', async () => {
    const none = readWorklistQuery(datasetOf({ PatientName: 'nobody' }));
    const items = new FindWorklist(new EndlessOrders(), site, 5).execute(none, new AbortController().signal);
    await expect(items.next()).rejects.toMatchObject({
      code: 'dimse-ingest.worklist-too-large',
      kind: 'unavailable',
    });
  });
});
