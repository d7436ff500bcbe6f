import { describe, expect, it } from 'vitest';

import { levelsOf, objectOf, Pictures } from '../../test-support/pictures.js';

const frames = 24_000;
/** Each frame has a slope of its own, below 1. */
const slopeOf = (number: number): number => 0.2 + (number % 701) / 1_000;
const row = [0, 50, 100];

describe('a frame of an object of so many that its header leaves their functional groups out', () => {
  it('is rescaled by its own', async () => {
    const groups = Array.from({ length: frames }, (_, i) => ({
      FrameVOILUTSequence: [{ WindowCenter: 50, WindowWidth: 101 }],
      PixelValueTransformationSequence: [
        { RescaleIntercept: 0, RescaleSlope: slopeOf(i + 1).toFixed(3), RescaleType: 'US' },
      ],
    }));
    const pictures = new Pictures();
    pictures.store(
      objectOf({
        sop: '1.4',
        frames: Array.from({ length: frames }, () => row),
        attributes: { PerFrameFunctionalGroupsSequence: groups },
      }),
    );
    const url = '/studies/1.2/series/1.3/instances/1.4/frames/9000/rendered?window=50,101,linear-exact';
    const answer = await pictures.get(url, { accept: 'image/png' });
    expect(answer.statusCode).toBe(200);
    const expected = row.map((value) => Math.round(((value * slopeOf(9_000) - 50) / 101 + 0.5) * 255));
    expect(levelsOf(answer.rawPayload)).toEqual(expected);
    await pictures.http.close();
  });
});
