import type { imaging } from '@callosum/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { FoundRows } from '../../application/ports/index.js';
import { SearchMatches } from '../../application/search-matches.js';
import { doorResources } from '../../conformance/resources-door.js';
import { searchResources } from '../../conformance/resources-search.js';
import { TooLargeError } from '../../domain/errors/door.js';
import { type NestDoor, openDoor, pathOf } from '../../test-support/nest-door.js';
import { rowOf } from '../../test-support/qido-door.js';
import { CapabilitiesController } from './capabilities.controller.js';
import { QidoController } from './qido.controller.js';

type Answer = (request: imaging.SearchRequest) => AsyncGenerator<FoundRows>;
/** The same for each of the resources: what a client does to be answered so. */
type Ways = Readonly<Record<number, (template: string) => Promise<Response>>>;

describe('a search', () => {
  const one: Answer = async function* () {
    await Promise.resolve();
    yield { rows: [rowOf(1)], unsupportedKeys: [] };
  };
  let answer: Answer;
  let door: NestDoor;
  /** One request at once, before an index that answers as is said. */
  beforeAll(async () => {
    const index = { search: (request: imaging.SearchRequest) => answer(request) };
    const archive = { recentBlobs: () => Promise.resolve([]) };
    const matches = new SearchMatches(index as never, archive, { requestsMax: 1, indexWaitMs: 0 });
    door = await openDoor([QidoController], [{ provide: SearchMatches, useValue: matches }], {
      CALLOSUM_QIDO_LIMIT_MAX: 10,
    });
  });
  afterAll(() => door.close());
  beforeEach(() => void (answer = one));
  const ask = (path: string, accept = '*/*'): Promise<Response> => fetch(door.url + path, { headers: { accept } });

  const ways: Ways = {
    200: (template) => ask(pathOf(template)),
    204: (template) => {
      answer = async function* () {
        await Promise.resolve();
        yield* [];
      };
      return ask(pathOf(template));
    },
    400: async (template) => {
      if (template.includes(':')) expect((await ask(pathOf(template, { study: 'not-a-uid' }))).status).toBe(400);
      return ask(`${pathOf(template)}?StudyDate=20260101&limit=some`);
    },
    406: (template) => ask(pathOf(template), 'text/html'),
    413: (template) => {
      answer = async function* () {
        await Promise.resolve();
        yield* [];
        throw new TooLargeError('the search takes too long');
      };
      return ask(pathOf(template));
    },
    503: async (template) => {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      let asked = 0;
      answer = async function* () {
        asked++;
        await promise;
        yield* [];
      };
      const first = ask(pathOf(template));
      await expect.poll(() => asked).toBe(1);
      const refused = await ask(pathOf(template));
      resolve(undefined);
      expect((await first).status).toBe(204);
      return refused;
    },
  };

  const rows = searchResources.flatMap((row) => row.statuses.map((status) => [status, row.template] as const));
  it.each(rows)('is answered %i where that is so (%s)', async (status, template) => {
    const way = ways[status] ?? expect.unreachable(`nobody has said how a search comes to be answered ${status}`);
    const { status: answered, headers } = await way(template);
    expect(answered).toBe(status);
    if (status >= 400) expect(headers.get('content-type')).toBe('text/plain; charset=utf-8');
    if (status === 503) expect(headers.get('retry-after')).toBe('5');
    if (status === 200) expect(headers.get('content-type')).toBe('application/dicom+json');
  });

  it('is found in all of the ways by what it is called', () => {
    expect(rows).toHaveLength(36);
    expect(new Set(rows.map(([status]) => status))).toEqual(new Set(Object.keys(ways).map(Number)));
  });
});

describe('a question for capabilities', () => {
  let door: NestDoor;
  beforeAll(async () => void (door = await openDoor([CapabilitiesController], [])));
  afterAll(() => door.close());
  const ask = (path: string, accept = '*/*'): Promise<Response> =>
    fetch(door.url + path, { method: 'OPTIONS', headers: { accept } });
  /** All below the service, and one of the resources. */
  const below = (template: string): string => template.replace('*', 'studies/1.2/metadata');
  const ways: Ways = {
    200: (template) => ask(below(template)),
    400: (template) => ask(below(template), 'application/"'),
    404: (template) => ask(template.replace('*', 'nothing')),
    406: (template) => ask(below(template), 'text/html'),
  };

  const rows = doorResources.flatMap((row) => row.statuses.map((status) => [status, row.template] as const));
  it.each(rows)('is answered %i where that is so (%s)', async (status, template) => {
    const way = ways[status] ?? expect.unreachable(`nobody has said how a question comes to be answered ${status}`);
    const { status: answered, headers } = await way(template);
    expect(answered).toBe(status);
    if (status >= 400) expect(headers.get('content-type')).toBe('text/plain; charset=utf-8');
    else expect(headers.get('allow')).toContain('OPTIONS');
  });

  it('is found in all of the ways by what it is called', () => {
    expect(new Set(rows.map(([status]) => status))).toEqual(new Set(Object.keys(ways).map(Number)));
  });
});
