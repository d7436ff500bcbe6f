import { setTimeout as sleep } from 'node:timers/promises';

import { AssociationAbortedError, type OutgoingObject, PeerUnreachableError } from '@callosum/dimse';
import { describe, expect, it } from 'vitest';

import type { Standing } from '../domain/forward-outcome.js';
import type { ForwardBatch, ForwardItem, ForwardQueue, KeptObject, PutOff } from './forwarding-ports.js';
import { SendForwards, type SendForwardsParts } from './send-forwards.js';

const ct = { sopClassUid: '1.2.840.10008.5.1.4.1.1.2', transferSyntaxUid: '1.2.840.10008.1.2.1' };
const item = (id: number): ForwardItem => ({
  id,
  ...ct,
  studyInstanceUid: '1.2',
  sopInstanceUid: `1.2.${id}`,
  revision: 1,
  transcode: true,
  attempts: 0,
  traceparent: undefined,
});

const kept = (more: Partial<KeptObject> = {}): KeptObject => ({
  ...ct,
  revision: 1,
  blobKey: 'k',
  source: 'CT1',
  issuedByCallosum: false,
  ...more,
});

/** What the queue was told, in words. */
function harness(
  store: (object: OutgoingObject) => Promise<number>,
  more: Partial<SendForwardsParts> = {},
  items = [item(1), item(2), item(3)],
  {
    later = [],
    since = 'never',
    tries = 1,
  }: { later?: ForwardItem[][]; since?: Standing['since']; tries?: number } = {},
) {
  const told: string[] = [];
  let refused = 0;
  const batch: ForwardBatch = { destination: 'PACS', fence: 7, items };
  const further = later.map((items): ForwardBatch => ({ ...batch, items }));
  const queue = {
    claim: () => Promise.resolve(batch),
    next: () => Promise.resolve(further.shift()),
    release: () => Promise.resolve(void told.push('released')),
    standing: () => Promise.resolve({ since, refused }),
    destinationFailed: () => Promise.resolve(void refused++),
    destinationRefused: (_: string, { code }: { code: string }) => {
      told.push(`refused ${code}`);
      return Promise.resolve(tries);
    },
    renew: () => Promise.resolve(true),
    end: (_: ForwardBatch, { id }: ForwardItem, state: string, code?: string) =>
      Promise.resolve(void told.push([id, state, code].filter(Boolean).join(' '))),
    follow: (_: ForwardBatch, { id }: ForwardItem, { revision }: KeptObject) =>
      Promise.resolve(told.push(`${id} follow ${revision}`) > 0),
    later: (_: ForwardBatch, { id }: ForwardItem, { delayMs, attempted, code }: PutOff) =>
      Promise.resolve(void told.push(`${id} later ${delayMs} ${attempted ? code : 'at no cost'}`)),
    giveBack: (_: ForwardBatch, left: readonly ForwardItem[]) =>
      Promise.resolve(void told.push(`back ${left.map(({ id }) => id).join(',')}`)),
    destinationAway: (_: string, code: string, why: string) => Promise.resolve(told.push(`${why} ${code}`) * 1_000),
    destinationAnswered: () => Promise.resolve(told.push('answered') === 0),
  } as unknown as ForwardQueue;
  const sendForwards = new SendForwards({
    queue,
    rules: { current: () => Promise.resolve([]) },
    objects: {
      current: () => Promise.resolve(kept()),
      open: () => Promise.reject(new Error('not read here')),
    },
    entities: {
      named: () => Promise.resolve([]),
      callable: (aet) => Promise.resolve({ aet, host: '127.0.0.1', port: 104 }),
    },
    destinations: {
      with: async (_, work) => {
        const done = await work({
          expect: () => undefined,
          abort: () => undefined,
          store: async (object) => ({ status: await store(object), transferSyntaxUid: object.transferSyntaxUid }),
        });
        told.push('left');
        return done;
      },
    },
    isOutage: () => false,
    associationsMax: 1,
    idleMs: 0,
    work: { turn: 0, wait: () => Promise.resolve(true) },
    observe: (_batch, _item, send) => send(),
    onAway: () => undefined,
    onBack: () => undefined,
    ...more,
  });
  return { sendForwards, told, run: (signal = new AbortController().signal) => sendForwards.execute('PACS', signal) };
}
const first = ({ sopInstanceUid }: OutgoingObject): boolean => sopInstanceUid === '1.2.1';

describe('what waits for a destination', () => {
  it('is sent one after the other, and each is recorded as it is answered', async () => {
    const { run, told } = harness((object) => Promise.resolve(first(object) ? 0xc000 : 0));
    expect(await run()).toBe(true);
    expect(told).toEqual(['1 failed C000', 'answered', '2 sent', '3 sent', 'left', 'released']);
  });

  it('and what comes meanwhile goes by the same association, whose end another worker waits for', async () => {
    const { run, told } = harness(() => Promise.resolve(0), {}, [item(1)], { later: [[item(2)], [item(3)]] });
    await run();
    expect(told).toEqual(['answered', '1 sent', 'answered', '2 sent', 'answered', '3 sent', 'left', 'released']);
  });

  it('keeps the association for a while without work', async () => {
    const waits: number[] = [];
    const work = {
      turn: 0,
      wait: (_: number, ms: number) => {
        waits.push(ms);
        return sleep(ms);
      },
    };
    const { run, told } = harness(() => Promise.resolve(0), { idleMs: 150, work });
    const startedAt = performance.now();
    await run();
    expect(performance.now() - startedAt).toBeGreaterThan(140);
    expect(waits[0]).toBeGreaterThan(100);
    expect(told.slice(-2)).toEqual(['left', 'released']);
  });

  it('does not fail one after the other where the destination takes none of many, whatever it says', async () => {
    const items = Array.from({ length: 20 }, (_, index) => item(index + 1));
    const { run, told } = harness(() => Promise.resolve(0xc000), {}, items);
    await run();
    expect(told).toEqual([
      ...items.slice(0, 16).map(({ id }) => `${id} failed C000`),
      ...['17 later 30000 at no cost', 'refused C000', 'refusing C000', 'back 18,19,20', 'left', 'released'],
    ]);
  });

  it('tells that the destination took one after each that failed', async () => {
    const odd = ({ sopInstanceUid }: OutgoingObject) => Promise.resolve(sopInstanceUid === '1.2.2' ? 0xc000 : 0);
    const { run, told } = harness(odd);
    await run();
    expect(told.slice(0, 5)).toEqual(['answered', '1 sent', '2 failed C000', 'answered', '3 sent']);
  });

  it('is held against the one that a destination has no room for while it takes others, at the fifth time', async () => {
    const full = (object: OutgoingObject) => Promise.resolve(first(object) ? 0xa700 : 0);
    const tried = async (attempts: number, since: Standing['since']) => {
      const { run, told } = harness(full, {}, [{ ...item(1), attempts }, item(2)], { since });
      await run();
      return told.slice(0, -2);
    };
    const away = ['refused A700', 'refusing A700', 'back 2'];
    expect(await tried(0, 'never')).toEqual(['1 later 30000 at no cost', ...away]);
    expect(await tried(3, 'passed')).toEqual(['1 later 240000 A700', ...away]);
    expect(await tried(3, 'again')).toEqual(['1 later 240000 A700', 'answered', '2 sent']);
    expect(await tried(4, 'passed')).toEqual(['1 failed A700', 'answered', '2 sent']);
  });

  it('is tried with others of the queue where the visit may try more, and is left alone when there is nothing else', async () => {
    const full = (object: OutgoingObject) => Promise.resolve(object.sopInstanceUid === '1.2.9' ? 0 : 0xa700);
    const found = harness(full, {}, [item(1), item(2)], { tries: 3, later: [[item(8)], [item(9)]] });
    await found.run();
    expect(found.told.filter((words) => !words.includes('later'))).toEqual([
      ...['refused A700', 'back 2', 'refused A700', 'answered', '9 sent', 'left', 'released'],
    ]);
    const none = harness(full, { idleMs: 60_000 }, [item(1)], { tries: 3 });
    await none.run();
    expect(none.told.slice(1)).toEqual(['refused A700', 'refusing A700', 'left', 'released']);
  });

  it('tells that it took others after one that it did not take, within one batch, too', async () => {
    const odd = (object: OutgoingObject) => Promise.resolve(object.sopInstanceUid === '1.2.2' ? 0xa700 : 0);
    const { run, told } = harness(odd, {}, [item(1), { ...item(2), attempts: 1 }, item(3)], { since: 'again' });
    await run();
    expect(told.slice(0, 5)).toEqual(['answered', '1 sent', '2 later 60000 A700', 'answered', '3 sent']);
  });

  it('costs nothing while the destination is away', async () => {
    const { run, told } = harness(() => Promise.reject(new PeerUnreachableError('gone')));
    await run();
    expect(told).toEqual(['back 1', 'unreached dimse.peer-unreachable', 'back 2,3', 'left', 'released']);
  });

  it('counts an association that broke for the instance it broke at where others passed', async () => {
    const { run, told } = harness(
      (object) => (first(object) ? Promise.resolve(0) : Promise.reject(new AssociationAbortedError('why'))),
      {},
      undefined,
      { since: 'passed', tries: 8 },
    );
    await run();
    expect(told).toEqual([
      'answered',
      '1 sent',
      '2 later 30000 dimse.association-aborted',
      'refused dimse.association-aborted',
      'refusing dimse.association-aborted',
      'back 3',
      'left',
      'released',
    ]);
  });

  it('waits behind the others where the destination hung at it, at no cost', async () => {
    const { run, told } = harness(() =>
      Promise.reject(new AssociationAbortedError('late', { abortCode: 'dimse.no-response' })),
    );
    await run();
    expect(told).toEqual([
      ...['1 later 30000 at no cost', 'refused dimse.no-response', 'refusing dimse.no-response', 'back 2,3'],
      ...['left', 'released'],
    ]);
  });

  it('waits for an entity that nobody can call', async () => {
    const entities = { named: () => Promise.resolve([]), callable: () => Promise.resolve(undefined) };
    const { run, told } = harness(() => Promise.resolve(0), { entities });
    await run();
    expect(told).toEqual(['unreached dimse-ingest.uncallable-entity', 'back 1,2,3', 'released']);
  });

  /** What the archive has of the three when their turn comes. */
  const as = (...current: (KeptObject | undefined)[]): Partial<SendForwardsParts> => {
    let asked = 0;
    return {
      objects: {
        current: () => Promise.resolve(current[asked++]),
        open: () => Promise.reject(new Error('not read here')),
      },
    };
  };

  it('is not sent when it was withdrawn, or turned out to be of Callosum itself', async () => {
    const { run, told } = harness(
      () => Promise.resolve(0),
      as(undefined, kept({ issuedByCallosum: true }), kept({ issuedByCallosum: true, revision: 2 })),
    );
    await run();
    expect(told).toEqual([
      '1 dropped dimse-ingest.withdrawn',
      '2 dropped dimse-ingest.own-result',
      '3 dropped dimse-ingest.own-result',
      'left',
      'released',
    ]);
  });

  it('is followed by its correction, whoever sent that, but for the destination itself', async () => {
    const rule = { id: 'r1', sources: ['CT*'], exceptSources: ['PACS_SEND'], sopClasses: [], transcode: true };
    const { run, told } = harness(() => Promise.resolve(0), {
      ...as(
        kept({ revision: 2, source: 'RIS' }),
        kept({ revision: 2, source: 'PACS' }),
        kept({ revision: 2, source: 'PACS_SEND' }),
      ),
      rules: { current: () => Promise.resolve([{ ...rule, destination: 'PACS' }]) },
    });
    await run();
    expect(told).toEqual([
      '1 follow 2',
      '1 dropped dimse-ingest.superseded',
      '2 dropped dimse-ingest.superseded',
      '3 dropped dimse-ingest.superseded',
      'left',
      'released',
    ]);
  });

  it('goes back where the process ends, but for what was answered', async () => {
    const stop = new AbortController();
    const { run, told } = harness(() => {
      stop.abort();
      return Promise.resolve(0);
    });
    await run(stop.signal);
    expect(told).toEqual(['answered', '1 sent', 'back 2,3', 'left', 'released']);
  });
});
