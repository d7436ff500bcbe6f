import { describe, expect, it } from 'vitest';

import {
  bulkReferencesOf,
  type DicomJson,
  dicomJsonSteps,
  ExplicitVRLittleEndian,
  parseJson,
  type Steps,
  writePart10,
} from './index.js';

/** What comes of it, and how often others have a turn meanwhile. */
function stopsOf<T>(steps: Steps<T>): [result: T, stops: number] {
  for (let stops = 0; ; stops++) {
    const next = steps.next();
    if (next.done === true) return [next.value, stops];
  }
}

describe('a dataset of very many items', () => {
  const count = 50_000;
  const ids = {
    '00080016': { vr: 'UI', Value: ['1.2.840.10008.5.1.4.1.1.7'] },
    '00080018': { vr: 'UI', Value: ['2.25.1'] },
  };

  it.each<[string, DicomJson]>([
    ['that are empty', {}],
    ['of one element', { '00081150': { vr: 'UI', Value: ['1.2'] } }],
    ['of one sequence without any', { '00081140': { vr: 'SQ' } }],
  ])('%s, is read and written in steps of a few thousand', (_what, item) => {
    const text = JSON.stringify({ ...ids, '00081140': { vr: 'SQ', Value: Array.from({ length: count }, () => item) } });
    const [json, ofText] = stopsOf(parseJson([Buffer.from(text)]));
    const [dataset, ofDataset] = stopsOf(dicomJsonSteps(json));
    const [, ofReferences] = stopsOf(bulkReferencesOf(dataset));
    const [, ofFile] = stopsOf(writePart10(dataset, { transferSyntaxUid: ExplicitVRLittleEndian }));
    const stopsMin = count / 5_000;
    // A file is gone through twice: for the character set first.
    for (const stops of [ofText, ofDataset, ofReferences, ofFile / 2]) expect(stops).toBeGreaterThan(stopsMin);
  });
});
