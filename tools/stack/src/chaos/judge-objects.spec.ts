import { describe, expect, it } from 'vitest';

import { type ArchivedStudy, judgeObjects } from './judge-objects.js';
import type { JobPublication, StudyState } from './judge-state.js';
import {
  earlierSeg,
  earlierSr,
  issued,
  perResult,
  publication,
  publications,
  seg,
  sr,
  study,
  uid,
} from './judged-study.js';

const ct = '1.2.840.10008.5.1.4.1.1.2';

describe('the judge of the archive', () => {
  const sent = new Map([
    ['ct-1', 'digest-1'],
    ['ct-2', 'digest-2'],
  ]);
  const archived: ArchivedStudy = {
    listed: [...[...sent.keys()].map((sop) => ({ sop, sopClass: ct })), ...issued],
    digests: [...sent.values(), ...issued.map(({ sop }) => `digest of ${sop}`)],
  };
  const judged = (change: Partial<ArchivedStudy>, state: Partial<StudyState> = {}): string[] =>
    judgeObjects(uid, { ...study, ...state }, { ...archived, ...change }, sent, perResult);
  const listedWithout = (...gone: string[]) => archived.listed.filter(({ sop }) => !gone.includes(sop));

  it('finds nothing where one SEG and one SR of each result come back beside what was sent', () => {
    expect(judged({})).toEqual([]);
  });

  it('takes a result without objects that another overtook', () => {
    const overtaken = [publication('job-1', [], { state: 'superseded', published: false }), ...publications.slice(1)];
    const left = {
      listed: listedWithout(earlierSeg, earlierSr),
      digests: archived.digests.filter((one) => !one.endsWith('-1') || one === 'digest-1'),
    };
    expect(judged(left, { publications: overtaken, issued: issued.slice(2) })).toEqual([]);
  });

  it.each<[string, Partial<ArchivedStudy>, Partial<StudyState>, RegExp]>([
    ['an acknowledged object that is not listed', { listed: listedWithout('ct-1') }, {}, /^is not listed: ct-1/],
    ['a SEG that is not listed', { listed: listedWithout(seg) }, {}, /^is not listed: seg-2/],
    [
      'an object listed twice',
      { listed: [...archived.listed, ...archived.listed.slice(0, 1)] },
      {},
      /^an object is listed twice/,
    ],
    [
      'an object nobody made',
      { listed: [...archived.listed, { sop: 'x', sopClass: ct }] },
      {},
      /^is listed, and nobody made it: x/,
    ],
    [
      'a SEG listed as a CT',
      { listed: [...listedWithout(seg), { sop: seg, sopClass: ct }] },
      {},
      /^is listed as another class: seg-2/,
    ],
    [
      'other bytes',
      { digests: ['other', ...archived.digests.slice(1)] },
      {},
      /^does not come back as it was sent: ct-1/,
    ],
    [
      'an object that comes back twice',
      { digests: [...archived.digests, 'digest-1'] },
      {},
      /^7 objects come back, 6 of them different/,
    ],
    ['an object that does not come back', { digests: archived.digests.slice(0, -1) }, {}, /^5 objects come back/],
    [
      'two SRs of one result',
      {},
      { publications: [publication('job-1', [seg, sr], { made: [seg, sr, earlierSeg, earlierSr] })] },
      /^4 objects of one result/,
    ],
    ['objects of no result', {}, { publications: publications.slice(1) }, /^2 result objects of no result/],
    [
      'a result without its SEG',
      {},
      { issued: issued.filter(({ sop }) => sop !== seg) },
      /^a published result without the objects it names/,
    ],
    [
      'a result that names no SEG',
      {},
      { publications: [publications[0] as JobPublication, publication('job-2', [sr], { made: [seg, sr] })] },
      /^a published result without/,
    ],
  ])('finds %s', (_what, change, state, finding) => {
    expect(judged(change, state)).toContainEqual(expect.stringMatching(finding));
  });
});
