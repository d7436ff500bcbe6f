import { type DicomDataset, parseFile } from '@callosum/dicom';
import { isConformantUid } from '@callosum/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { BitPacker } from './bit-packing.js';
import { UnpublishableResultError } from '../errors.js';
import type { Code, Measurement, Segment } from '../result.js';
import { tinyLabelMap, tinyResult, tinyStudy } from '../../test-support/phantom.js';
import { buildResultDocuments } from './result-documents.js';
import { readSourceSeries } from './source-series.js';

const study = tinyStudy();
const source = readSourceSeries(study.sopInstanceUids, study.instances);
const result = tinyResult(study, tinyLabelMap(study));

describe('bit packing', () => {
  it('puts pixel i of the whole stream at bit i % 8 of byte i / 8, frames without padding, even in length', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 11, maxLength: 11, max: 3 }), { minLength: 1, maxLength: 9 }),
        (frames) => {
          const packer = new BitPacker(frames.length * 11);
          for (const frame of frames) packer.append(frame, 2);
          const bits = frames.flatMap((frame) => [...frame].map((voxel) => (voxel === 2 ? 1 : 0)));
          expect(packer.bytes.length % 2).toBe(0);
          expect(bits.every((bit, i) => (((packer.bytes[i >> 3] ?? 0) >> (i & 7)) & 1) === bit)).toBe(true);
        },
      ),
      { seed: 3, numRuns: 50 },
    );
  });
});

describe('sites of measurements in the report', () => {
  const lung: Code = { value: '39607008', scheme: 'SCT', meaning: 'Lung' };
  const lobe: Code = { value: '45653009', scheme: 'SCT', meaning: 'Upper lobe of lung' };

  /** Each measurement's site and side as the SR has them: of the NUM itself, else of its group. */
  function sites(segment: Partial<Segment>, measurements: readonly Partial<Measurement>[]): string[] {
    const map = tinyLabelMap(study);
    const [first, ...others] = map.segments;
    const [measurement] = result.measurements;
    if (!first || !measurement) throw new Error('absent');
    const changed = {
      ...tinyResult(study, { ...map, segments: [{ ...first, anatomicRegion: lung, ...segment }, ...others] }),
      // A finding's certainty is a NUM too.
      findings: [],
      measurements: measurements.map((one, i) => ({
        ...measurement,
        id: `m${String(i)}`,
        findingSite: undefined,
        segmentNumber: 1,
        ...one,
      })),
    };
    const root = parseFile(buildResultDocuments(changed, source).report.bytes).dataset;
    const nums = (node: DicomDataset, group: string): string[] => {
      const children = node.sequence('ContentSequence');
      const site = siteIn(children) ?? group;
      return children.flatMap((child) =>
        child.string('ValueType') === 'NUM'
          ? [siteIn(child.sequence('ContentSequence')) ?? `(${site})`]
          : nums(child, site),
      );
    };
    return nums(root, '');
  }
  const codeOf = (node: DicomDataset | undefined, sequence: string, attribute: string): string | undefined =>
    node?.sequence(sequence)[0]?.string(attribute);
  function siteIn(children: readonly DicomDataset[]): string | undefined {
    const named = (list: readonly DicomDataset[], concept: string): DicomDataset | undefined =>
      list.find((child) => codeOf(child, 'ConceptNameCodeSequence', 'CodeValue') === concept);
    const site = named(children, '363698007');
    const side = site && named(site.sequence('ContentSequence'), '272741003');
    const region = codeOf(site, 'ConceptCodeSequence', 'CodeMeaning');
    return region && [region, codeOf(side, 'ConceptCodeSequence', 'CodeMeaning')].filter(Boolean).join(' ');
  }

  it('tell the sides of one region apart', () => {
    const measurements = [
      { findingSite: lung, laterality: 'R' },
      { findingSite: lung, laterality: 'L' },
      { laterality: 'L' },
      { findingSite: lung, laterality: 'B' },
      { findingSite: lung, laterality: '' },
    ];
    expect(sites({ laterality: 'B' }, measurements)).toEqual([
      'Lung Right',
      'Lung Left',
      'Lung Left',
      '(Lung Right and left)',
      '(Lung Right and left)',
    ]);
  });

  it('are written where code or scheme is another, and on a segment without a side', () => {
    const measurements = [
      { findingSite: lobe, laterality: 'R' },
      { findingSite: { ...lung, scheme: '99OTHER' }, laterality: '' },
      { findingSite: lung, laterality: 'L' },
    ];
    expect(sites({ laterality: '' }, measurements)).toEqual(['Upper lobe of lung Right', 'Lung', 'Lung Left']);
  });

  it('of no segment carry their own side', () => {
    expect(sites({}, [{ segmentNumber: 0, findingSite: lung, laterality: 'R' }])).toEqual(['Lung Right']);
  });
});

describe('documents of a result', () => {
  it('are the same bytes under the same UIDs for the same input', () => {
    const again = buildResultDocuments(
      tinyResult(study, tinyLabelMap(study)),
      readSourceSeries(study.sopInstanceUids, new Map([...study.instances].reverse())),
    );
    const first = buildResultDocuments(result, source);
    expect(again.segmentation?.sopInstanceUid).toBe(first.segmentation?.sopInstanceUid);
    expect(Buffer.compare(again.segmentation?.bytes ?? Buffer.of(), first.segmentation?.bytes ?? Buffer.of(1))).toBe(0);
    expect(Buffer.compare(again.report.bytes, first.report.bytes)).toBe(0);
  });

  it('get other UIDs when the source was corrected, the result changed, or another job made it', () => {
    const corrected = tinyStudy({ patientName: 'Corrected^Phantom' });
    const uids = [
      buildResultDocuments(result, source),
      buildResultDocuments(result, readSourceSeries(corrected.sopInstanceUids, corrected.instances)),
      buildResultDocuments({ ...result, resultDigest: 'cd'.repeat(32) }, source),
      buildResultDocuments({ ...result, jobId: 'another' }, source),
    ].flatMap(({ segmentation, report }) => [
      segmentation?.sopInstanceUid,
      segmentation?.seriesInstanceUid,
      report.sopInstanceUid,
      report.seriesInstanceUid,
    ]);
    expect(new Set(uids).size).toBe(16);
    expect(uids.every((uid) => uid !== undefined && isConformantUid(uid) && uid.startsWith('2.25.'))).toBe(true);
  });

  it('carry the patient and study of the current source, and times of the job', () => {
    const { segmentation, report } = buildResultDocuments(result, source);
    for (const bytes of [segmentation?.bytes ?? Buffer.of(), report.bytes]) {
      const { dataset } = parseFile(bytes);
      expect(dataset.string('PatientName')).toBe('Tiny^Phantom');
      expect(dataset.string('PatientID')).toBe('TINY-1');
      expect(dataset.string('StudyDate')).toBe('20260301');
      expect(dataset.string('ContentDate')).toBe('20261122');
      expect(dataset.string('ContentTime')).toBe('030405.678000');
    }
  });

  it('claim the frame of reference of all slices, and no slice’s where each has its own', () => {
    const frames = [...study.instances.values()].map((dataset) => String(dataset['00200052']?.Value?.[0]));
    const lied = new Map(
      [...study.instances].map(([uid, dataset], k) => [
        uid,
        { ...dataset, '00200052': { vr: 'UI', Value: [`1.2.7.${String(k)}`] } },
      ]),
    );
    const frameOf = (instances: typeof study.instances): string =>
      parseFile(
        buildResultDocuments(result, readSourceSeries(study.sopInstanceUids, instances)).segmentation?.bytes ??
          Buffer.of(),
      ).dataset.string('FrameOfReferenceUID') ?? '';
    expect(frameOf(study.instances)).toBe(frames[0]);
    expect(frameOf(lied)).toMatch(/^2\.25\./);
    expect(frameOf(new Map([...lied].reverse()))).toBe(frameOf(lied));
  });

  it('stand in the timezone the source names', () => {
    const shifted = new Map(
      [...study.instances].map(([uid, dataset]) => [uid, { ...dataset, '00080201': { vr: 'SH', Value: ['-0500'] } }]),
    );
    const { report } = buildResultDocuments(result, readSourceSeries(study.sopInstanceUids, shifted));
    const { dataset } = parseFile(report.bytes);
    expect([dataset.string('ContentDate'), dataset.string('ContentTime')]).toEqual(['20261121', '220405.678000']);
    expect(dataset.string('TimezoneOffsetFromUTC')).toBe('-0500');
  });

  it('hold frames of non-empty slices only, each with its segment identified per frame', () => {
    const { dataset } = parseFile(buildResultDocuments(result, source).segmentation?.bytes ?? Buffer.of());
    const frames = dataset.sequence('PerFrameFunctionalGroupsSequence');
    const numbers = frames.map((frame) =>
      frame.sequence('SegmentIdentificationSequence')[0]?.number('ReferencedSegmentNumber'),
    );
    // Segment 1 lies in slices 1 to 3 of 5, segment 2 in slices 0 to 3.
    expect(numbers).toEqual([1, 1, 1, 2, 2, 2, 2]);
    expect(dataset.number('NumberOfFrames')).toBe(7);
    expect(dataset.sequence('SharedFunctionalGroupsSequence')[0]?.has('SegmentIdentificationSequence')).toBe(false);
  });

  it('leave the SEG out when no voxel is set, and the report refers to none', () => {
    const empty = tinyLabelMap(study);
    const documents = buildResultDocuments(
      tinyResult(study, { ...empty, voxels: new Uint8Array(empty.voxels.length) }),
      source,
    );
    expect(documents.segmentation).toBeUndefined();
    const evidence = parseFile(documents.report.bytes).dataset.sequence('CurrentRequestedProcedureEvidenceSequence')[0];
    expect(evidence?.sequence('ReferencedSeriesSequence').length).toBe(1);
  });

  it('refuse a label map off the source grid, and a source that lost an instance', () => {
    const map = tinyLabelMap(study);
    expect(() => buildResultDocuments({ ...result, labelMap: { ...map, rows: 8 } }, source)).toThrow(
      UnpublishableResultError,
    );
    expect(() => readSourceSeries([...study.sopInstanceUids, '1.2.3'], study.instances)).toThrow(
      UnpublishableResultError,
    );
  });
});
