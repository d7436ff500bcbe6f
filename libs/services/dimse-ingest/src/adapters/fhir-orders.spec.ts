import { FhirClient } from '@callosum/fhir';
import { afterEach, describe, expect, it } from 'vitest';

import { type OrderServer, startOrderServer } from '../../test-support/order-server.js';
import { order, patient } from '../test-support/orders.js';
import type { OrderNarrowing } from '../domain/worklist/worklist-query.js';
import { FhirOrders, type UndatedOrders } from './fhir-orders.js';

let server: OrderServer | undefined;
afterEach(() => server?.close());

const undatedFor = (days: number, onRefused: UndatedOrders['onRefused'] = () => undefined): UndatedOrders => ({
  days,
  onRefused,
});

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

/** Orders that a server with these resources gives, with the id of the patient each is of. */
async function found(
  resources: readonly { readonly resourceType: string }[],
  narrowing: OrderNarrowing,
): Promise<[string | undefined, string | undefined][]> {
  server = await startOrderServer(resources);
  const orders = new FhirOrders(new FhirClient({ baseUrl: server.url }), server.url, ['system|imaging']);
  const pages: [string | undefined, string | undefined][] = [];
  for await (const page of orders.search(narrowing, new AbortController().signal))
    pages.push(...page.map(({ order: one, patient: of }): (typeof pages)[number] => [one.id, of.id]));
  return pages;
}

describe('orders of a patient who was merged', () => {
  const replacedBy = (id: string) => ({
    link: [{ type: 'replaced-by' as const, other: { reference: `Patient/${id}` } }],
  });
  const away = { ...patient, ...replacedBy('p2') };
  const between = { ...patient, id: 'p2', ...replacedBy('p3') };
  const survivor = { ...patient, id: 'p3' };

  it('are those of the one who is left, whomever they name', async () => {
    const others = order({ id: 'sr3', subject: { reference: 'Patient/p3' } });
    const orders = await found([away, between, survivor, order(), others], {});
    expect(orders).toEqual([
      ['sr1', 'p3'],
      ['sr3', 'p3'],
    ]);
  });

  it('are asked for by all of its Patients, and are nobody’s where the merges lead nowhere', async () => {
    const asked: string[][] = [];
    server = await startOrderServer([away, between, survivor, order()], (url) =>
      asked.push(url.searchParams.getAll('subject')),
    );
    const orders = new FhirOrders(new FhirClient({ baseUrl: server.url }), server.url, ['system|imaging']);
    for await (const page of orders.search({ patientIdentifier: 'MRN-1' }, new AbortController().signal))
      expect(page).toHaveLength(1);
    expect(asked.flat().at(-1)?.split(',').sort()).toEqual(['Patient/p1', 'Patient/p2', 'Patient/p3']);
    await server.close();
    expect(await found([away, order()], {})).toEqual([]);
    await server.close();
    expect(await found([away, { ...between, ...replacedBy('p1') }, order()], {})).toEqual([]);
  });
});

describe('a dated question', () => {
  it('is asked about orders by when they were written too, whatever their timing is, and gives each once', async () => {
    const asked: URLSearchParams[] = [];
    const timing = order({ occurrenceTiming: { repeat: { frequency: 1 } }, authoredOn: '2026-11-26' });
    delete timing.occurrenceDateTime;
    server = await startOrderServer([patient, timing], (url) => {
      if (url.pathname.endsWith('/ServiceRequest')) asked.push(url.searchParams);
    });
    const orders = new FhirOrders(
      new FhirClient({ baseUrl: server.url }),
      server.url,
      ['system|imaging'],
      undatedFor(14),
    );
    const ids: (string | undefined)[] = [];
    const day = { from: '2026-11-26', to: '2026-11-26' };
    for await (const page of orders.search(day, new AbortController().signal))
      ids.push(...page.map((one) => one.order.id));
    expect(ids).toEqual(['sr1']);
    expect(asked.map((params) => params.getAll('authored'))).toEqual([
      [],
      ['ge2026-11-26', 'le2026-11-26'],
      ['ge2026-11-12', 'le2026-11-26'],
    ]);
    // Those with a date that were written on so many days are too many to look through.
    expect(asked.map((params) => params.get('occurrence:missing'))).toEqual([null, null, 'true']);
  });

  it('is not about days before where it has no beginning, or an order without a date has its own day alone', async () => {
    const asked: URLSearchParams[] = [];
    server = await startOrderServer([], (url) => asked.push(url.searchParams));
    const search = async (narrowing: OrderNarrowing, undatedDays: number): Promise<void> => {
      const fhir = new FhirClient({ baseUrl: server?.url ?? '' });
      const orders = new FhirOrders(fhir, server?.url ?? '', ['system|imaging'], undatedFor(undatedDays));
      for await (const page of orders.search(narrowing, new AbortController().signal)) expect(page).toEqual([]);
    };
    await search({ to: '2026-11-26' }, 14);
    await search({ from: '2026-11-26' }, 0);
    expect(asked.map((params) => params.getAll('authored'))).toEqual([[], ['le2026-11-26'], [], ['ge2026-11-26']]);
  });
});

const day = { from: '2026-11-26', to: '2026-11-26' };
const search = async (orders: FhirOrders): Promise<number> => {
  let found = 0;
  for await (const page of orders.search(day, new AbortController().signal)) found += page.length;
  return found;
};
/** @param answer to the question for what is missing */
const asked = async (answer: number | readonly unknown[]) => {
  const questions: URL[] = [];
  const errors: unknown[] = [];
  server = await startOrderServer([patient, order()], (url) => {
    if (url.searchParams.get('_id')?.includes('nobody')) return 500;
    if (!url.searchParams.has('occurrence:missing')) return undefined;
    questions.push(url);
    return answer;
  });
  const fhir = new FhirClient({ baseUrl: server.url });
  const overdue = undatedFor(14, (error) => errors.push(error));
  const orders = new FhirOrders(fhir, server.url, ['system|imaging'], overdue);
  return { orders, errors, questions };
};
const undated = (of: Parameters<typeof order>[0]) => {
  const { occurrenceDateTime: _, ...one } = order(of);
  return one;
};

describe('a server that answers no `:missing`', () => {
  it.each([400, 403, 404, 405, 500, 501])(
    'by %s gives what it has, and is asked so again after an hour',
    async (status) => {
      const { orders, errors, questions } = await asked(status);
      expect([await search(orders), await search(orders)]).toEqual([1, 1]);
      expect(errors).toMatchObject([{ status }]);
      expect(questions).toHaveLength(1);
    },
  );

  it('as it is busy has not answered: the list is not told as whole', async () => {
    const { orders, errors } = await asked(503);
    await expect(search(orders)).rejects.toMatchObject({ kind: 'unavailable' });
    expect(errors).toEqual([]);
  });

  it('and passes over it is not read to the end of all that was written in two weeks', async () => {
    const { orders, errors, questions } = await asked([order({ id: 'of-another-day' })]);
    expect([await search(orders), await search(orders)]).toEqual([1, 1]);
    expect(errors).toEqual([undefined]);
    expect(questions).toHaveLength(1);
  });
});

describe('a server that answers `:missing`', () => {
  it('and not who the patient is has not refused: the list is not told as whole', async () => {
    const subject = { reference: 'Patient/nobody' };
    const { orders, errors } = await asked([undated({ id: 'sr2', subject })]);
    await expect(search(orders)).rejects.toMatchObject({ status: 500 });
    expect(errors).toEqual([]);
  });

  it('gives an order whose period says nothing too', async () => {
    const { orders, errors } = await asked([undated({ id: 'sr2', occurrencePeriod: {} })]);
    expect(await search(orders)).toBe(2);
    expect(errors).toEqual([]);
  });
});

describe('orders of a patient', () => {
  it('are found while its identifier is that of some', async () => {
    expect(await ordersOf(20)).toBe(1);
  });

  it('are not those of a part of its patients', async () => {
    await expect(ordersOf(21)).rejects.toMatchObject({ code: 'dimse-ingest.too-many-patients', kind: 'unavailable' });
  });
});
