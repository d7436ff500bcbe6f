import { describe, expect, it } from 'vitest';
import { parseFile, decodeFrames, renderFrame, renderInTurns } from '../index.js';
import { imageFile } from '../../test-support/pictures.js';
import { noise } from '../../test-support/objects.js';
import { allAtOnce, inSteps, inTurns, type Steps } from './steps.js';
import { scaledInSteps } from './viewport.js';

function* countTo(steps: number, work: (step: number) => void): Steps<string> {
  for (let step = 0; step < steps; step++) {
    work(step);
    yield;
  }
  return 'done';
}

const busyFor = (ms: number): void => {
  for (const until = performance.now() + ms; performance.now() < until;);
};

describe('work in steps', () => {
  it('covers every sample once, and none beside', () => {
    for (const count of [0, 1, 49_152, 49_153, 200_000]) {
      const seen = new Uint8Array(count);
      allAtOnce(
        inSteps(count, (from, to) => {
          for (let i = from; i < to; i++) seen[i] = (seen[i] ?? 0) + 1;
        }),
      );
      expect(seen.every((times) => times === 1)).toBe(true);
    }
  });

  it('gives others their turn between two of them', async () => {
    const order: string[] = [];
    const work = inTurns(
      countTo(6, (step) => {
        busyFor(3);
        order.push(`step ${step}`);
      }),
    );
    setImmediate(() => order.push('other'));
    expect(await work).toBe('done');
    expect(order.indexOf('other')).toBeGreaterThan(0);
    expect(order.indexOf('other')).toBeLessThan(6);
  });

  it('ends between two of them when nobody waits any more', async () => {
    const gone = new AbortController();
    let steps = 0;
    const work = inTurns(
      countTo(100, () => {
        if (++steps === 3) gone.abort(new Error('gone'));
      }),
      gone.signal,
    );
    await expect(work).rejects.toThrow('gone');
    expect(steps).toBe(3);
  });
});

describe('a picture of one pixel', () => {
  it('is scaled in many steps, however few its rows are', () => {
    const side = 1000;
    const picture = { kind: 'gray8', columns: side, rows: side, samples: new Uint8Array(side * side).fill(9) } as const;
    const scaling = scaledInSteps(picture, { width: 1, height: 1 });
    let steps = 0;
    for (let step = scaling.next(); ; step = scaling.next()) {
      if (step.done === true) {
        expect([...step.value.samples]).toEqual([9]);
        break;
      }
      steps++;
    }
    expect(steps).toBeGreaterThan(10);
  });
});

describe('a frame in turns', () => {
  it.each([
    ['MONOCHROME2', 1],
    ['RGB', 3],
    ['YBR_FULL', 3],
  ])('is the %s picture that it is at once', async (photometric, samples) => {
    const side = 300;
    const file = parseFile(
      imageFile({ rows: side, columns: side, bits: 8, samples, photometric, pixels: noise(side * side * samples) }),
    );
    const [frame] = await decodeFrames(file);
    if (!frame) throw new Error('one frame');
    const options = { viewport: { width: 100, height: 100 } };
    expect(await renderInTurns(file, frame, options)).toEqual(renderFrame(file, frame, options));
  });
});
