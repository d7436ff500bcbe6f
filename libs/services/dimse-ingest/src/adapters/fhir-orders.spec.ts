import { FhirClient } from '@callosum/fhir';
import { afterEach, describe, expect, it } from 'vitest';

import { type OrderServer, startOrderServer } from '../../test-support/order-server.js';
import { order, patient } from '../test-support/orders.js';
import { FhirOrders } from './fhir-orders.js';

let server: OrderServer | undefined;
afterEach(() => server?.close());

/** Asks a server that has so many patients of the identifier for their orders. */
async function ordersOf(patients: number): Promise<number> {
  const people = Array.from({ length: patients }, (_, i) => ({ ...patient, id: `p${i}` }));
  server = await startOrderServer([...people, order()]);
  const orders = new FhirOrders(new FhirClient({ baseUrl: server.url }), server.url, ['system|imaging']);
  let found = 0;
  const signal = new AbortController().signal;
  for await (const page of orders.search({ patientIdentifier: 'MRN-1' }, signal)) found += page.length;
  return found;
}

describe('orders of a patient', () => {
  it('are found while its identifier is that of some', async () => {
    expect(await ordersOf(20)).toBe(1);
  });

  it('are not those of a part of its patients', async () => {
    await expect(ordersOf(21)).rejects.toMatchObject({ code: 'dimse-ingest.too-many-patients', kind: 'unavailable' });
  });
});
