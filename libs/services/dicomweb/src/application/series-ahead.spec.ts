import { describe, expect, it } from 'vitest';

import {
  Blob,
  datasetOf,
  fileOf,
  greyBytes,
  keptInstance,
  memoryOf,
  readersOf,
  samples,
} from '../test-support/kept.js';
import type { KeptInstance } from './ports/archive.js';
import type { LocatedFrames } from './ports/index.js';
import type { SeriesFrame, SeriesFrames } from './ports/pixels.js';
import { SeriesAhead } from './series-ahead.js';

const located: LocatedFrames = {
  image: greyBytes(4, 4),
  encapsulated: false,
  nativeOffset: 5,
  nativeFrameBytes: 16,
  nativeByteCount: 16,
  frames: [],
};
const instanceIn = (seriesInstanceUid: string): KeptInstance => keptInstance({ seriesInstanceUid });

/** Answers each question when it is told to. */
function seriesOf(frames: readonly SeriesFrame[], fails = false) {
  const asked: string[] = [];
  const waiting: (() => void)[] = [];
  const series: SeriesFrames = {
    ofSeries: async function* (_study, seriesInstanceUid) {
      asked.push(seriesInstanceUid);
      await new Promise<void>((go) => waiting.push(go));
      yield* frames;
      if (fails) throw new Error('away');
    },
  };
  const answer = async (): Promise<void> => {
    for (const go of waiting.splice(0)) go();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { series, asked, answer };
}

describe('a series of which frames are asked for', () => {
  it('is located when a second one was not known, and not again at once', async () => {
    const learned: string[] = [];
    const { series, asked, answer } = seriesOf([{ blobKey: 'other', located }]);
    let now = 1_000_000;
    const ahead = new SeriesAhead(
      series,
      (blobKey) => learned.push(blobKey),
      () => now,
    );
    ahead.missed(instanceIn('1.3'));
    ahead.missed(instanceIn('1.9'));
    expect(asked).toEqual([]);
    ahead.missed(instanceIn('1.3'));
    ahead.missed(instanceIn('1.3'));
    await answer();
    expect([asked, learned]).toEqual([['1.3'], ['other']]);
    now += 29_999;
    ahead.missed(instanceIn('1.3'));
    expect(asked).toEqual(['1.3']);
    now += 1;
    ahead.missed(instanceIn('1.3'));
    expect(asked).toEqual(['1.3', '1.3']);
    await answer();
  });

  it('is left where others are being read, and may fail without a word', async () => {
    const { series, asked, answer } = seriesOf([], true);
    const ahead = new SeriesAhead(series, () => undefined);
    for (const uid of ['1', '2', '3', '4', '5']) for (let n = 0; n < 2; n++) ahead.missed(instanceIn(uid));
    expect(asked).toEqual(['1', '2', '3', '4']);
    await answer();
    ahead.missed(instanceIn('5'));
    expect(asked).toEqual(['1', '2', '3', '4', '5']);
    await answer();
  });

  it('has its frames known after that: the index is asked no more', async () => {
    const image = { rows: 4, columns: 4, frames: 1, bitsAllocated: 8, vr: 'OB', pixels: samples(16) };
    const blob = new Blob(fileOf(datasetOf(image)));
    const of = (blobKey: string): KeptInstance => ({ ...blob.instance, blobKey });
    const { series, answer } = seriesOf(['third', 'fourth'].map((blobKey) => ({ blobKey, located })));
    const frames = (kept: KeptInstance) => Promise.resolve(kept.blobKey === 'unknown' ? undefined : located);
    const counted = {
      asked: [] as string[],
      frames: (kept: KeptInstance) => (counted.asked.push(kept.blobKey), frames(kept)),
    };
    const { layouts } = readersOf(blob, counted, series);
    await layouts.of(of('first'), [1], memoryOf());
    await layouts.of(of('second'), [1], memoryOf());
    await answer();
    for (const key of ['first', 'second', 'third', 'fourth'])
      expect(await layouts.of(of(key), [1], memoryOf())).toMatchObject({ offset: 5 });
    expect(counted.asked).toEqual(['first', 'second']);
  });
});
