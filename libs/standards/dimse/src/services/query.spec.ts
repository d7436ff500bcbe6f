import { buffer } from 'node:stream/consumers';

import { afterEach, describe, expect, it } from 'vitest';

import { ctImageStorage, dataset } from '../../test-support/objects.js';
import { openPolicy, type Provider, startProvider, until } from '../../test-support/providers.js';
import {
  ctAsProvider,
  drained,
  getHandler,
  identifier,
  proposed,
  studyRootFind,
  studyRootGet,
  studyRootMove,
} from '../../test-support/services.js';
import {
  DimseStatusError,
  type ProposedContext,
  QueryStatus,
  type RequestHandler,
  scpLimits,
  ScuAssociation,
  type ScuOptions,
} from '../index.js';

let provider: Provider;
const open: ScuAssociation[] = [];
afterEach(async () => {
  for (const association of open.splice(0)) association.abort();
  await provider.server.close(0);
});

async function associate(
  handler: RequestHandler,
  contexts: readonly ProposedContext[],
  options: Partial<ScuOptions> = {},
): Promise<ScuAssociation> {
  provider = await startProvider({}, undefined, { handler, policy: openPolicy([ctImageStorage]) });
  const to = { host: '127.0.0.1', port: provider.port, calledAet: 'CALLOSUM', callingAet: 'TEST' };
  const association = await ScuAssociation.open({ ...to, ...options }, contexts);
  open.push(association);
  return association;
}

const findId = (association: ScuAssociation): number => association.contextFor(studyRootFind);

describe('C-FIND', () => {
  it('brings matches in their order, each with its status, then the final answer', async () => {
    const asked: string[] = [];
    const association = await associate(
      {
        async *find(request) {
          asked.push(request.identifier.toString(), request.sopClassUid);
          yield { identifier: identifier('one') };
          yield { identifier: identifier('two'), status: QueryStatus.PendingOptionalKeysUnsupported };
        },
      },
      [proposed(studyRootFind)],
    );
    const { items, result } = await drained(association.find(findId(association), identifier('all')));
    expect(asked).toEqual(['all ', studyRootFind]);
    expect(items.map((match) => [match.identifier.toString(), match.status])).toEqual([
      ['one ', 0xff00],
      ['two ', 0xff01],
    ]);
    expect(result).toEqual({ status: 0 });
    await association.release();
    await until(() => provider.ends.length === 1);
    expect(provider.ends).toEqual([{ how: 'released' }]);
  });

  it('that fails says status, comment and offending elements', async () => {
    const association = await associate(
      {
        async *find() {
          throw new DimseStatusError(0xa900, { comment: 'no level', offendingElements: [0x0008_0052] });
        },
      },
      [proposed(studyRootFind)],
    );
    const error: unknown = await drained(association.find(findId(association), identifier('x'))).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(DimseStatusError);
    expect(error).toMatchObject({ status: 0xa900, comment: 'no level', offendingElements: [0x0008_0052] });
    expect(provider.errors).toEqual([]);
    // The association goes on.
    expect((await association.echo(findId(association))).status).toBe(0);
  });

  it('canceled by ending the iteration stops the handler; the association goes on', async () => {
    let sent = 0;
    let stopped = false;
    const association = await associate(
      {
        async *find() {
          try {
            for (; ; sent++) {
              await new Promise((resolve) => setTimeout(resolve, 1));
              yield { identifier: identifier(String(sent)) };
            }
          } finally {
            stopped = true;
          }
        },
      },
      [proposed(studyRootFind)],
    );
    let seen = 0;
    for await (const match of association.find(findId(association), identifier('x'))) {
      expect(match.identifier.length).toBeGreaterThan(0);
      if (++seen === 3) break;
    }
    await until(() => stopped);
    expect((await association.echo(findId(association))).status).toBe(0);
  });

  it('canceled by a signal ends with Cancel', async () => {
    const controller = new AbortController();
    const association = await associate(
      {
        async *find({ signal }) {
          yield { identifier: identifier('one') };
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
        },
      },
      [proposed(studyRootFind)],
    );
    const matches = association.find(findId(association), identifier('x'), { signal: controller.signal });
    expect((await matches.next()).done).toBe(false);
    controller.abort();
    expect(await drained(matches)).toEqual({ items: [], result: { status: QueryStatus.Cancel } });
  });

  it('with an identifier over the limit is refused with A700, and nothing asked', async () => {
    const association = await associate(
      {
        async *find() {
          throw new Error('asked');
        },
      },
      [proposed(studyRootFind)],
    );
    const error: unknown = await drained(
      association.find(findId(association), Buffer.alloc(scpLimits.identifierBytesMax + 2)),
    ).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ status: 0xa700, kind: 'unavailable' });
    expect(provider.errors).toEqual([]);
  });

  it('nobody serves is answered 0211', async () => {
    const association = await associate({}, [proposed(studyRootFind)]);
    const error: unknown = await drained(association.find(findId(association), identifier('x'))).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ status: 0x0211 });
  });
});

describe('C-MOVE', () => {
  it('tells progress, then counts and what failed', async () => {
    const destinations: string[] = [];
    const association = await associate(
      {
        async *move(request) {
          destinations.push(request.destination);
          yield { remaining: 1, completed: 1, failed: 0, warning: 0 };
          return await Promise.resolve({
            counts: { remaining: 0, completed: 1, failed: 1, warning: 0 },
            failedSopInstanceUids: ['1.2.3', '1.2.34'],
          });
        },
      },
      [proposed(studyRootMove)],
    );
    const progress: unknown[] = [];
    const outcome = await association.move(association.contextFor(studyRootMove), 'PACS', identifier('x'), {
      onProgress: (counts) => progress.push(counts),
    });
    expect(destinations).toEqual(['PACS']);
    expect(progress).toEqual([{ remaining: 1, completed: 1, failed: 0, warning: 0 }]);
    expect(outcome).toEqual({
      status: 0xb000,
      counts: { remaining: 0, completed: 1, failed: 1, warning: 0 },
      failedSopInstanceUids: ['1.2.3', '1.2.34'],
    });
  });

  it.each([
    [{ completed: 2, failed: 0, warning: 0 }, 0x0000],
    [{ completed: 1, failed: 0, warning: 1 }, 0xb000],
    [{ completed: 0, failed: 2, warning: 0 }, 0xa702],
  ])('of %o ends with the status of the standard', async (counts, status) => {
    const association = await associate(
      {
        async *move() {
          return await Promise.resolve({ counts: { remaining: 0, ...counts } });
        },
      },
      [proposed(studyRootMove)],
    );
    const outcome = await association.move(association.contextFor(studyRootMove), 'PACS', identifier('x'));
    expect(outcome).toMatchObject({ status, counts: { remaining: 0, ...counts } });
  });

  it('with an identifier over the limit is refused with A701: its table has no A700', async () => {
    const move: RequestHandler['move'] = async function* () {
      return await Promise.reject(new Error('asked'));
    };
    const association = await associate({ move }, [proposed(studyRootMove)]);
    const long = Buffer.alloc(scpLimits.identifierBytesMax + 2);
    const { status } = await association.move(association.contextFor(studyRootMove), 'PACS', long);
    expect([status, provider.errors]).toEqual([0xa701, []]);
  });
});

describe('C-GET', () => {
  const objects = Array.from({ length: 5 }, (_, index) => {
    const sopInstanceUid = `1.2.3.${index}`;
    return { sopInstanceUid, bytes: dataset({ sopInstanceUid, pixelBytes: 400_000 }) };
  });

  it('brings objects byte for byte on its own association', async () => {
    const stored = new Map<string, Buffer>();
    const association = await associate({ get: getHandler(objects) }, [proposed(studyRootGet), ctAsProvider]);
    const outcome = await association.get(association.contextFor(studyRootGet), identifier('x'), {
      store: async ({ sopInstanceUid, dataset: bytes }) => {
        stored.set(sopInstanceUid, await buffer(bytes));
        return { status: 0 };
      },
    });
    expect(outcome).toMatchObject({ status: 0, counts: { completed: 5, failed: 0 } });
    expect(stored.size).toBe(5);
    for (const { sopInstanceUid, bytes } of objects) expect(stored.get(sopInstanceUid)?.equals(bytes)).toBe(true);
    await association.release();
  });

  it('counts what we refuse, and what we did not offer to take', async () => {
    const association = await associate({ get: getHandler(objects) }, [proposed(studyRootGet), ctAsProvider]);
    let count = 0;
    const outcome = await association.get(association.contextFor(studyRootGet), identifier('x'), {
      store: () => Promise.resolve({ status: count++ === 1 ? 0xa700 : 0 }),
    });
    expect(outcome).toMatchObject({
      status: 0xb000,
      failedSopInstanceUids: ['1.2.3.1'],
      counts: { completed: 4, failed: 1 },
    });
    association.abort();
    await provider.server.close(0);
    // Without the role we are no provider: the acceptor may send nothing.
    const without = await associate({ get: getHandler(objects) }, [proposed(studyRootGet), proposed(ctImageStorage)]);
    expect(await without.get(without.contextFor(studyRootGet), identifier('x'))).toMatchObject({
      status: 0xa702,
      counts: { failed: 5 },
    });
  });

  it('canceled ends with what is left', async () => {
    const controller = new AbortController();
    const association = await associate({ get: getHandler(objects) }, [proposed(studyRootGet), ctAsProvider]);
    const outcome = await association.get(association.contextFor(studyRootGet), identifier('x'), {
      signal: controller.signal,
      store: async ({ dataset: bytes }) => {
        await buffer(bytes);
        controller.abort();
        return { status: 0 };
      },
    });
    expect(outcome.status).toBe(QueryStatus.Cancel);
    expect(outcome.counts.remaining).toBeGreaterThan(0);
    expect(outcome.counts.remaining + outcome.counts.completed).toBe(5);
  });

  it('canceled when all has been sent ends with what was done: nothing was stopped', async () => {
    const controller = new AbortController();
    const isCanceled = new Promise<void>((resolve) => controller.signal.addEventListener('abort', () => resolve()));
    const association = await associate(
      {
        async *get(request, sender) {
          const answer = yield* getHandler(objects)(request, sender);
          // As a C-MOVE waits for its destination to be released.
          await isCanceled;
          await until(() => request.signal.aborted);
          return answer;
        },
      },
      [proposed(studyRootGet), ctAsProvider],
    );
    let count = 0;
    const outcome = await association.get(association.contextFor(studyRootGet), identifier('x'), {
      signal: controller.signal,
      store: async ({ dataset: bytes }) => {
        await buffer(bytes);
        if (++count === 5) setTimeout(() => controller.abort(), 20);
        return { status: 0 };
      },
    });
    expect(outcome).toMatchObject({ status: 0, counts: { completed: 5 } });
  });

  it('that a requestor leaves in the middle fails for its handler, and leaves nothing', async () => {
    let failure: unknown;
    const association = await associate(
      {
        async *get(request, sender) {
          return yield* getHandler(objects)(request, {
            ...sender,
            store: (object) =>
              sender.store(object).catch((error: unknown) => {
                failure = error;
                throw error;
              }),
          });
        },
      },
      [proposed(studyRootGet), ctAsProvider],
    );
    const outcome = association
      .get(association.contextFor(studyRootGet), identifier('x'), {
        store: () => {
          association.abort();
          return Promise.resolve({ status: 0 });
        },
      })
      .catch((error: unknown) => error);
    expect(await outcome).toMatchObject({ code: 'dimse.association-aborted' });
    await until(() => provider.ends.length === 1);
    expect(failure).toMatchObject({ code: 'dimse.association-aborted' });
    expect(provider.errors).toEqual([]);
    expect(provider.ends).toEqual([{ how: 'aborted', by: 'peer', code: 'dimse.aborted-by-peer' }]);
  });
});
