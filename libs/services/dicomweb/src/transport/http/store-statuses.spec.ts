import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';

import { tinyCt } from '@callosum/phantom';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { StoreInstances } from '../../application/store-instances.js';
import { storeResources } from '../../conformance/resources-store.js';
import { MemoryIntake } from '../../test-support/memory-intake.js';
import { multipart } from '../../test-support/multipart.js';
import { type NestDoor, openDoor, pathOf } from '../../test-support/nest-door.js';
import { storeLimits } from '../../test-support/store-limits.js';
import { BODY_BOUNDS, PRINCIPAL_OF } from '../../tokens.js';
import { bodyBounds } from './request-body.js';
import { StowController } from './stow.controller.js';

const object = tinyCt();
const broken = Buffer.from('no object');
const path = (template: string): string => pathOf(template, { study: object.studyInstanceUid });
const single = { 'content-type': 'application/dicom' };
const several = { 'content-type': 'multipart/related; type="application/dicom"; boundary=b' };

/** The same for each of the resources: what a client does to be answered so. */
type Ways = Readonly<Record<number, (template: string) => Promise<IncomingMessage>>>;

describe('a store', () => {
  let door: NestDoor;
  let intake: MemoryIntake;
  let stores: StoreInstances;
  const limits = { ...storeLimits, requestsMax: 1, partBytesMax: 100_000 };

  beforeAll(async () => {
    const ofTest: Pick<StoreInstances, 'store'> = { store: (asked) => stores.store(asked) };
    door = await openDoor(
      [StowController],
      [
        { provide: StoreInstances, useValue: ofTest },
        { provide: PRINCIPAL_OF, useValue: () => undefined },
        { provide: BODY_BOUNDS, useValue: { ...bodyBounds, everyMs: 200, leftoverMs: 50 } },
      ],
    );
  });
  afterAll(() => door.close());
  /** One request at once. */
  beforeEach(() => {
    intake = new MemoryIntake();
    stores = new StoreInstances(intake, limits, () => undefined);
  });

  const begin = (template: string, headers: Record<string, string>): ClientRequest =>
    request(door.url + path(template), { method: 'POST', headers }).on('error', () => undefined);
  const answerOf = async (sent: ClientRequest): Promise<IncomingMessage> => {
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    answer.resume();
    return answer;
  };
  const post = (template: string, headers: Record<string, string>, body: Uint8Array): Promise<IncomingMessage> =>
    answerOf(begin(template, headers).end(body));

  const ways: Ways = {
    200: (template) => post(template, single, object.bytes),
    202: (template) => post(template, several, multipart('b', [{ bytes: object.bytes }, { bytes: broken }])),
    400: (template) => post(template, several, Buffer.from('--b--\r\n')),
    406: (template) => post(template, { ...single, accept: 'text/html' }, object.bytes),
    408: async (template) => {
      const slow = begin(template, { ...single, 'content-length': '1000' });
      slow.write('x');
      const answer = await answerOf(slow);
      slow.destroy();
      return answer;
    },
    409: (template) => post(template, single, broken),
    413: (template) => post(template, single, Buffer.alloc(200_000)),
    415: (template) => post(template, { 'content-type': 'text/html' }, object.bytes),
    503: async (template) => {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      intake.gate = () => promise.then(() => undefined);
      const first = answerOf(begin(template, single).end(object.bytes));
      await expect.poll(() => intake.committing).toBe(1);
      const refused = await answerOf(begin(template, single).end(object.bytes));
      resolve(undefined);
      expect((await first).statusCode).toBe(200);
      return refused;
    },
  };

  const rows = storeResources.flatMap((row) => row.statuses.map((status) => [status, row.template] as const));
  it.each(rows)('is answered %i where that is so (%s)', async (status, template) => {
    const way = ways[status] ?? expect.unreachable(`nobody has said how a store comes to be answered ${status}`);
    const { statusCode, headers } = await way(template);
    expect(statusCode).toBe(status);
    const isOfObjects = [200, 202, 409].includes(status);
    expect(headers['content-type']).toBe(isOfObjects ? 'application/dicom+json' : 'text/plain; charset=utf-8');
    if (status === 503) expect(headers['retry-after']).toBe('5');
    const sources = intake.stored.map(({ context }) => context.source);
    const keeps = [200, 202, 503].includes(status);
    expect(sources).toEqual(
      keeps ? [expect.stringContaining(template.includes(':source') ? 'ct-1' : '127.0.0.1')] : [],
    );
  });

  it('is found in all of the ways by what it is called', () => {
    expect(rows).toHaveLength(36);
    expect(new Set(rows.map(([status]) => status))).toEqual(new Set(Object.keys(ways).map(Number)));
  });
});
