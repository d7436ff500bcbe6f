import type { TakenBack } from '@callosum/archive';
import { describe, expect, it } from 'vitest';

import type { RejectionNote } from '../domain/rejection-note.js';
import { ArchiveTombstones } from './archive-tombstones.js';

const note: RejectionNote = {
  sopInstanceUid: '1.2.9',
  instanceRevision: 1,
  storedAt: new Date(1_000),
  studyInstanceUid: '1.2',
  code: '113037',
  patientId: 'P-1',
  issuerOfPatientId: '',
  rejected: [],
  elsewhere: 0,
};

const others = [{ seriesInstanceUid: '1.3', sopInstanceUid: '1.4' }];
const recordedAt = new Date(2_000);

describe('a rejection note and its correction under the same UID', () => {
  it('are obeyed once each', async () => {
    const causes = new Set<string>();
    const tombstones = {
      decisionsOf: () => Promise.resolve([...causes].map((cause) => ({ cause, recordedAt }))),
      hideInstances: (_study: string, instances: readonly unknown[], { cause = '' }: { cause?: string }) => {
        const isNew = !causes.has(cause);
        causes.add(cause);
        return Promise.resolve({ sequence: isNew ? 1 : undefined, instances: isNew ? instances.length : 0 });
      },
    };
    const archive = new ArchiveTombstones({ tombstones } as never);
    const reject = (instanceRevision: number): Promise<number> =>
      archive.reject({ ...note, instanceRevision, storedAt: new Date(instanceRevision * 1_000) }, others, null);
    expect([await reject(1), await reject(1), await reject(2), await reject(2)]).toEqual([1, 0, 1, 0]);
  });

  it('show again what the correction names no more, where no later one was obeyed', async () => {
    const asked: boolean[] = [];
    const tombstones = {
      unreject: (_study: string, { note, isWrong, isOvertakenBy = () => false }: TakenBack) => {
        asked.push(note === '1.2.9', isWrong('1.4'), isWrong('1.5'));
        asked.push(...['1.2.9', '1.2.9/2', '1.2.9/10'].map((cause) => isOvertakenBy([{ cause, recordedAt }])));
        return Promise.resolve({ sequence: 1, instances: 1 });
      },
    };
    const archive = new ArchiveTombstones({ tombstones } as never);
    expect(await archive.takeBack({ ...note, instanceRevision: 2 }, others)).toBe(1);
    expect(asked).toEqual([true, false, true, false, false, true]);
  });
});
