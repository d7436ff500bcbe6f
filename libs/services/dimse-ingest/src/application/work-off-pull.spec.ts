import {
  AssociationAbortedError,
  PeerUnreachableError,
  type RetrieveOutcome,
  type StoreAnswer,
  type StoreRequest,
} from '@callosum/dimse';
import { datasetOf } from '@callosum/dicom';
import { CallosumError } from '@callosum/kernel';
import { afterEach, describe, expect, it, vi } from 'vitest';

import type { CallableEntity } from '../domain/application-entity.js';
import type { AnnounceRelease } from './announce-release.js';
import type { ClaimedPull, Pulls, PullSource, PullStanding, PullStudy } from './pull-ports.js';
import type { PulledObject } from './pulled-objects.js';
import { type StoredObject, StoreInstance } from './store-instance.js';
import { WorkOffPull, type WorkOffPullParts } from './work-off-pull.js';

const claim: ClaimedPull = {
  id: 'p1',
  fence: 1,
  source: 'PACS',
  selector: { accessionNumber: 'A1' },
  isFound: false,
  traceparent: undefined,
};
const outcome = (status: number, completed: number, failed = 0): RetrieveOutcome => ({
  status,
  counts: { remaining: 0, completed, failed, warning: 0 },
  failedSopInstanceUids: [],
});
const matches = (...uids: string[]): PullSource['find'] =>
  async function* () {
    for (const uid of uids) yield await Promise.resolve(datasetOf({ StudyInstanceUID: uid, AccessionNumber: 'A1' }));
  };

const fresh: PullStanding = { attempts: 0, awayMs: 0, gave: false };

const storing = (execute: StoreInstance['execute']): StoreInstance =>
  ({ execute, outageSince: () => undefined }) as unknown as StoreInstance;

/** What the row was told, in words. */
function harness(
  source: Partial<PullSource>,
  more: Partial<WorkOffPullParts> = {},
  retrieve?: 'get',
  standing: PullStanding = fresh,
) {
  const told: string[] = [];
  const tell = (...words: unknown[]) =>
    Promise.resolve(void told.push(words.filter((one) => one !== undefined).join(' ')));
  let open: PullStudy[] = [];
  const state = { ours: true, standing };
  const pulls = {
    renew: () => Promise.resolve(state.ours),
    standing: () => Promise.resolve(state.standing),
    found: (_: ClaimedPull, studies: readonly PullStudy[], incomplete?: string) => {
      open = studies.map((study) => ({ ...study, failures: 0 }));
      return tell('found', studies.length, incomplete);
    },
    open: () => Promise.resolve(open),
    progress: () => Promise.resolve(),
    studyEnded: (_: ClaimedPull, uid: string, ended: string, _counts: unknown, code?: string) => {
      if (ended === 'completed') state.standing = { ...fresh, gave: true };
      const [asked] = open.filter((study) => study.studyInstanceUid === uid);
      open = open
        .filter((study) => study !== asked)
        .map((study) => (ended === 'completed' ? { ...study, failures: 0 } : study));
      // Behind the others.
      if (asked && (ended === 'again' || ended === 'waiting'))
        open.push({ ...asked, failures: asked.failures + (ended === 'again' ? 1 : 0) });
      return tell(uid, ended, code);
    },
    later: (_: ClaimedPull, _delayMs: number, code?: string) => tell('later', code),
    end: (_: ClaimedPull, code?: string) => tell('end', code),
  } as unknown as Pulls;
  const workOff = new WorkOffPull({
    pulls,
    source: { find: matches('1.2.1', '1.2.2'), move: () => Promise.resolve(outcome(0, 3)), ...source } as PullSource,
    entities: {
      named: () => Promise.resolve([]),
      callable: (aet) => Promise.resolve({ aet, host: '127.0.0.1', port: 104, retrieve }),
    },
    storeInstance: storing(() => Promise.resolve({ studyInstanceUid: '1.2.1' } as StoredObject)),
    announceRelease: { execute: () => Promise.resolve() } as unknown as AnnounceRelease,
    refusalOf: () => ({ status: 0xa700 }),
    observe: () => undefined,
    isOutage: () => false,
    onUnannounced: (error) => void told.push(`unannounced ${(error as Error).message}`),
    studiesMax: 2,
    giveUpMs: 1_000,
    ...more,
  });
  return { workOff, told, state };
}
class ArchiveDown extends CallosumError {
  constructor() {
    super('test.down', 'unavailable', 'down');
  }
}
class BrokenObject extends CallosumError {
  constructor() {
    super('test.broken', 'invalid', 'broken');
  }
}
const nothing = [] as unknown as AsyncIterable<Uint8Array>;
const never = new AbortController().signal;
/** A source that is at it until it is told to stop. */
const untilStopped: PullSource['move'] = (_entity, _identifier, { signal }) =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(outcome(0xfe00, 1))));

describe('a pull', () => {
  afterEach(() => void vi.useRealTimers());

  it('looks its studies up and brings one after the other', async () => {
    const { workOff, told } = harness({});
    expect(await workOff.execute(claim, never)).toEqual({ end: 'ended' });
    expect(told).toEqual(['found 2', '1.2.1 completed', '1.2.2 completed', 'end']);
  });

  it('asks again for a study of which something failed, when the others have come', async () => {
    let asked = 0;
    const move = () => Promise.resolve(asked++ === 0 ? outcome(0xb000, 2, 1) : outcome(0, 3));
    const { workOff, told } = harness({ move });
    expect(await workOff.execute(claim, never)).toMatchObject({ end: 'delayed' });
    expect(told).toEqual(['found 2', '1.2.1 again B000', '1.2.2 completed', 'later']);
  });

  it('brings what was found where the source has more than it said', async () => {
    const find: PullSource['find'] = async function* (entity, identifier, progress) {
      yield* matches('1.2.1')(entity, identifier, progress);
      progress.onIncomplete('dimse-ingest.matches-incomplete');
    };
    const { workOff, told } = harness({ find });
    await workOff.execute(claim, never);
    expect(told).toEqual(['found 1 dimse-ingest.matches-incomplete', '1.2.1 completed', 'end']);
  });

  it('leaves a study more time after its second failure', async () => {
    const move = () => Promise.resolve(outcome(0xb000, 2, 1));
    const { workOff, told } = harness({ find: matches('1.2.1'), move });
    expect(await workOff.execute(claim, never)).toMatchObject({ end: 'delayed', pauseMs: 10_000 });
    const found = { ...claim, isFound: true };
    expect(await workOff.execute(found, never)).toMatchObject({ end: 'delayed', pauseMs: 300_000 });
    await workOff.execute(found, never);
    expect(told.slice(-2)).toEqual(['1.2.1 failed B000', 'end']);
  });

  it.each(['move', 'get'] as const)('by %s fails no study for an outage of our own', async (retrieve) => {
    const down = new ArchiveDown();
    const storeInstance = new StoreInstance({ begin: () => Promise.reject(down) });
    const arrive = () =>
      storeInstance.execute({ sopInstanceUid: '1.2.1.1.1' } as never, nothing).then(
        () => ({ status: 0 }),
        () => ({ status: 0xa700 }),
      );
    const bring = async () => outcome((await arrive()).status === 0 ? 0 : 0xb000, 0, 1);
    const source = { find: matches('1.2.1'), move: bring, get: bring };
    const { workOff, told } = harness(source, { storeInstance }, retrieve === 'get' ? 'get' : undefined);
    for (const isFound of [false, true, true, true])
      expect(await workOff.execute({ ...claim, isFound }, never)).toMatchObject({ end: 'delayed', code: 'test.down' });
    expect(told.slice(1, 3)).toEqual(['1.2.1 waiting test.down', 'later test.down']);
  });

  it('asks for nothing where there is too much, and where the source does not know us', async () => {
    const broad = harness({ find: matches('1.2.1', '1.2.2', '1.2.3') });
    expect(await broad.workOff.execute(claim, never)).toEqual({ end: 'failed', code: 'dimse-ingest.pull-too-broad' });
    expect(broad.told).toEqual(['end dimse-ingest.pull-too-broad']);
    const unknown = harness({ move: () => Promise.resolve(outcome(0xa801, 0)) });
    expect(await unknown.workOff.execute(claim, never)).toEqual({ end: 'failed', code: 'A801' });
    expect(unknown.told).toEqual(['found 2', 'end A801']);
  });

  it('waits for a source that is away, for so long', async () => {
    const move = () => Promise.reject(new AssociationAbortedError('gone'));
    const { workOff, told } = harness({ move });
    expect(await workOff.execute(claim, never)).toMatchObject({ end: 'delayed', code: 'dimse.association-aborted' });
    const aborted = 'dimse.association-aborted';
    expect(told).toEqual(['found 2', `1.2.1 again ${aborted}`, `later ${aborted}`]);
    const find = () => {
      throw new PeerUnreachableError('gone');
    };
    const late = harness({ find }, {}, undefined, { attempts: 9, awayMs: 1_001, gave: false });
    expect(await late.workOff.execute(claim, never)).toMatchObject({ end: 'failed' });
  });

  it('waits in the same way for a source whose entry was taken out, and goes on when it is put back', async () => {
    let entity: CallableEntity | undefined;
    const entities = { named: () => Promise.resolve([]), callable: () => Promise.resolve(entity) };
    const { workOff, told } = harness({ find: matches('1.2.1') }, { entities });
    const code = 'dimse-ingest.uncallable-entity';
    expect(await workOff.execute(claim, never)).toMatchObject({ end: 'delayed', code });
    entity = { aet: 'PACS', host: '127.0.0.1', port: 104 };
    expect(await workOff.execute(claim, never)).toEqual({ end: 'ended' });
    expect(told).toEqual([`later ${code}`, 'found 1', '1.2.1 completed', 'end']);
    entity = undefined;
    const late = harness({}, { entities }, undefined, { attempts: 9, awayMs: 1_001, gave: false });
    expect(await late.workOff.execute(claim, never)).toEqual({ end: 'failed', code });
  });

  it('brings the others and then fails a study at which its source breaks off, by itself', async () => {
    const asked: string[] = [];
    const move: PullSource['move'] = (_entity, identifier) => {
      const [uid] = identifier['0020000D']?.Value ?? [];
      asked.push(String(uid));
      return uid === '1.2.1' ? Promise.reject(new AssociationAbortedError('gone')) : Promise.resolve(outcome(0, 3));
    };
    const { workOff } = harness({ move });
    const found = { ...claim, isFound: true };
    expect(await workOff.execute(claim, never)).toMatchObject({ end: 'delayed' });
    for (const _ of [1, 2]) expect(await workOff.execute(found, never)).toMatchObject({ end: 'delayed' });
    expect(asked).toEqual(['1.2.1', '1.2.2', '1.2.1', '1.2.1']);
    expect(await workOff.execute(found, never)).toEqual({ end: 'ended' });
    expect(asked).toHaveLength(5);
  });

  it('never fails a study for a source that gives none: it is away', async () => {
    const { workOff } = harness({
      find: matches('1.2.1'),
      move: () => Promise.reject(new AssociationAbortedError('gone')),
    });
    for (const isFound of [false, true, true, true, true])
      expect(await workOff.execute({ ...claim, isFound }, never)).toMatchObject({ end: 'delayed' });
  });

  it('fails a study that breaks something here, and no other', async () => {
    const move: PullSource['move'] = (_entity, identifier) =>
      identifier['0020000D']?.Value?.[0] === '1.2.1'
        ? Promise.reject(new TypeError('x'))
        : Promise.resolve(outcome(0, 3));
    const { workOff, told } = harness({ move });
    await workOff.execute(claim, never);
    expect(told).toEqual(['found 2', '1.2.1 again internal', '1.2.2 completed', 'later']);
  });

  it('waits for a source that has no room as for one that is away', async () => {
    const busy = harness({ move: () => Promise.resolve(outcome(0xa702, 0)) });
    expect(await busy.workOff.execute(claim, never)).toMatchObject({ end: 'delayed', code: 'A702' });
    expect(busy.told).toEqual(['found 2', '1.2.1 waiting A702', 'later A702']);
    const move = () => Promise.resolve(outcome(0xa702, 0));
    const late = harness({ move }, {}, undefined, { attempts: 9, awayMs: 1_001, gave: false });
    expect(await late.workOff.execute(claim, never)).toEqual({ end: 'failed', code: 'A702' });
  });

  it('asks thrice, and no longer, for a study of which the source tried all and nothing came', async () => {
    const refused = harness({ find: matches('1.2.1'), move: () => Promise.resolve(outcome(0xa702, 0, 3)) });
    for (const isFound of [false, true]) await refused.workOff.execute({ ...claim, isFound }, never);
    expect(await refused.workOff.execute({ ...claim, isFound: true }, never)).toEqual({ end: 'ended' });
    expect(refused.told.filter((line) => line.startsWith('1.2.1'))).toEqual([
      '1.2.1 again A702',
      '1.2.1 again A702',
      '1.2.1 failed A702',
    ]);
    const wrong = harness({ move: () => Promise.resolve(outcome(0xa900, 0)) });
    await wrong.workOff.execute(claim, never);
    expect(wrong.told).toEqual(['found 2', '1.2.1 failed A900', '1.2.2 failed A900', 'end']);
  });

  it('says why an object of a C-GET was not taken, and loses nothing where its end cannot be announced', async () => {
    let fails = true;
    const get: PullSource['get'] = async (_entity, _identifier, _study, store) => {
      await store({ dataset: nothing } as unknown as StoreRequest);
      return fails ? outcome(0xa702, 0, 1) : outcome(0, 1);
    };
    const storeInstance = storing(() =>
      fails ? Promise.reject(new BrokenObject()) : Promise.resolve({ studyInstanceUid: '1.2.1' } as StoredObject),
    );
    const announceRelease = { execute: () => Promise.reject(new Error('down')) } as unknown as AnnounceRelease;
    const { workOff, told } = harness({ find: matches('1.2.1'), get }, { storeInstance, announceRelease }, 'get');
    await workOff.execute(claim, never);
    fails = false;
    expect(await workOff.execute({ ...claim, isFound: true }, never)).toEqual({ end: 'ended' });
    expect(told.filter((line) => line !== 'unannounced down')).toEqual([
      'found 1',
      '1.2.1 again test.broken',
      'later',
      '1.2.1 completed',
      'end',
    ]);
    expect(told).toContain('unannounced down');
  });

  it('waits anew for a source that was away for long, gave a study and has no room for the next', async () => {
    let asked = 0;
    const move = () => Promise.resolve(asked++ === 0 ? outcome(0, 3) : outcome(0xa702, 0));
    const { workOff, told } = harness({ move }, {}, undefined, { attempts: 9, awayMs: 1_001, gave: false });
    const attempt = await workOff.execute(claim, never);
    expect(attempt).toMatchObject({ end: 'delayed', code: 'A702' });
    // Its pause is short again.
    expect((attempt as { pauseMs: number }).pauseMs).toBeLessThanOrEqual(5_000);
    expect(told).toEqual(['found 2', '1.2.1 completed', '1.2.2 waiting A702', 'later A702']);
  });

  it('tells the source to stop when it is cancelled, and writes nothing more', async () => {
    vi.useFakeTimers();
    const { workOff, told, state } = harness({ move: untilStopped });
    const attempt = workOff.execute(claim, never);
    await vi.advanceTimersByTimeAsync(1_000);
    state.ours = false;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(await attempt).toEqual({ end: 'lost' });
    expect(told).toEqual(['found 2']);
  });

  it('is given back where the process ends', async () => {
    const stop = new AbortController();
    const { workOff, told } = harness({ move: untilStopped });
    const attempt = workOff.execute(claim, stop.signal);
    await vi.waitFor(() => expect(told).toEqual(['found 2']));
    stop.abort();
    expect(await attempt).toEqual({ end: 'broken-off' });
    expect(told).toEqual(['found 2', 'later']);
  });

  it('by C-GET stores what comes as what the source sent, and tells it what cannot be stored', async () => {
    const objects: unknown[] = [];
    const answers: StoreAnswer[] = [];
    const execute: StoreInstance['execute'] = (object) => {
      objects.push(object);
      return objects.length === 1
        ? Promise.resolve({
            ...object,
            studyInstanceUid: '1.2.1',
            seriesInstanceUid: '1.2.1.1',
            byteCount: 1,
            outcome: 'stored',
          })
        : Promise.reject(new Error('no room'));
    };
    const released: unknown[] = [];
    const seen: PulledObject[] = [];
    const { workOff } = harness(
      {
        find: matches('1.2.1'),
        get: async (_entity, _identifier, _classes, store) => {
          for (const sopInstanceUid of ['1.2.1.1.1', '1.2.1.1.2'])
            answers.push(await store({ sopInstanceUid, sopClassUid: '1.2', transferSyntaxUid: '1.3' } as StoreRequest));
          return outcome(0xb000, 1, 1);
        },
      },
      {
        storeInstance: storing(execute),
        observe: (object) => void seen.push(object),
        announceRelease: {
          execute: (release: unknown) => Promise.resolve(void released.push(release)),
        } as unknown as AnnounceRelease,
      },
      'get',
    );
    await workOff.execute(claim, never);
    expect(answers).toEqual([{ status: 0 }, { status: 0xa700 }]);
    const one = { pull: 'p1', aet: 'PACS' };
    expect(seen).toMatchObject([
      { ...one, sopInstanceUid: '1.2.1.1.1', answer: { status: 0 }, byteCount: 1 },
      { ...one, sopInstanceUid: '1.2.1.1.2', answer: { status: 0xa700 }, byteCount: 0, error: new Error('no room') },
    ]);
    expect(objects[0]).toMatchObject({ callingAet: 'PACS', sopInstanceUid: '1.2.1.1.1' });
    expect(released).toEqual([
      expect.objectContaining({ callingAet: 'PACS', instanceCounts: new Map([['1.2.1', 1]]) }),
    ]);
  });
});
