import { DicomParseError, datasetOf, encodeDataset } from '@callosum/dicom';
import type { NormalizedRequest } from '@callosum/dimse';
import { systemClock } from '@callosum/kernel';
import { describe, expect, it } from 'vitest';

import { FairTurns } from '../../application/fair-turns.js';
import { FindWorklist } from '../../application/find-worklist.js';
import { datasetOfRequest } from './message-datasets.js';
import { modalityWorklistClass, WorklistService } from './worklist.service.js';

const deflated = '1.2.840.10008.1.2.1.99';
const deflatedOf = (TextValue: string): Buffer =>
  Buffer.from(encodeDataset(datasetOf({ PatientID: 'MRN-1', TextValue }), { transferSyntaxUid: deflated }).bytes);
/** Inflates to 4.7 MB, and is no more than a third of that. */
const bomb = deflatedOf(Array.from({ length: 700_000 }, (_, i) => i).join(' '));

describe('a dataset that inflates to more than a message may have', () => {
  it('is no attribute list', () => {
    const request = (dataset: Buffer) => ({ dataset, transferSyntaxUid: deflated }) as NormalizedRequest;
    expect(datasetOfRequest(request(deflatedOf('short'))).string('PatientID')).toBe('MRN-1');
    expect(() => datasetOfRequest(request(bomb))).toThrow(DicomParseError);
  });

  it('is no query of the worklist', async () => {
    const orders = { search: async function* () {} };
    const site = { site: 'default', stations: new Map<string, string[]>() };
    const limits = { ordersMax: 10, turns: new FairTurns(2) };
    const parts = { orders, site, clock: systemClock, ...limits, onLeftOut: () => undefined };
    const { find } = new WorklistService(new FindWorklist(parts)).open({ info: { callingAet: 'CT1' } } as never);
    const ask = (identifier: Buffer) => {
      const { signal } = new AbortController();
      const request = { identifier, abstractSyntaxUid: modalityWorklistClass, transferSyntaxUid: deflated, signal };
      return find?.(request as never)
        [Symbol.asyncIterator]()
        .next();
    };
    expect(await ask(deflatedOf('short'))).toMatchObject({ done: true });
    await expect(ask(bomb)).rejects.toMatchObject({ status: 0xa900 });
  });
});
