import { inSteps, inTurns, type Steps } from '../render/steps.js';
import type { Samples } from '../geometry/volume.js';
import type { ImagePixel } from './layout.js';
import type { DecodedFrame } from './native.js';

/**
 * Samples of a decoded frame in the colour space that is said of them where they are given: a JPEG stream may be in another
 * one than its dataset says. Others of the process have their turn meanwhile.
 * @param image what is said of them
 * @param signal ends it, with its reason
 */
export async function samplesAs(
  { samples, photometricInterpretation: from }: Pick<DecodedFrame, 'samples' | 'photometricInterpretation'>,
  { photometricInterpretation: to, bitsStored }: Pick<ImagePixel, 'photometricInterpretation' | 'bitsStored'>,
  signal?: AbortSignal,
): Promise<Samples> {
  if (from === 'YBR_FULL' && to === 'RGB') return inTurns(converted(samples, bitsStored, ybrToRgb), signal);
  if (from === 'RGB' && to === 'YBR_FULL') return inTurns(converted(samples, bitsStored, rgbToYbr), signal);
  return samples;
}

type Convert = (a: number, b: number, c: number, middle: number) => readonly [number, number, number];

/** ITU-T T.871 7. */
const ybrToRgb: Convert = (luma, blue, red, middle) => [
  luma + 1.402 * (red - middle),
  luma - (0.114 * 1.772 * (blue - middle) + 0.299 * 1.402 * (red - middle)) / 0.587,
  luma + 1.772 * (blue - middle),
];
const rgbToYbr: Convert = (red, green, blue, middle) => {
  const luma = 0.299 * red + 0.587 * green + 0.114 * blue;
  return [luma, (blue - luma) / 1.772 + middle, (red - luma) / 1.402 + middle];
};

function* converted(samples: Samples, bits: number, convert: Convert): Steps<Samples> {
  const [middle, greatest] = [2 ** (bits - 1), 2 ** bits - 1];
  const level = (value: number): number => Math.min(greatest, Math.max(0, Math.round(value)));
  const out = samples.slice();
  yield* inSteps(out.length, (from, to) => {
    for (let at = from; at < to; at += 3) {
      const [a, b, c] = convert(samples[at] ?? 0, samples[at + 1] ?? 0, samples[at + 2] ?? 0, middle);
      out[at] = level(a);
      out[at + 1] = level(b);
      out[at + 2] = level(c);
    }
  });
  return out;
}
