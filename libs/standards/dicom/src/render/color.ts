import type { Samples } from '../geometry/volume.js';
import type { ImagePixel } from '../pixels/layout.js';
import type { DecodedFrame } from '../pixels/native.js';
import { DicomRenderError } from './errors.js';
import type { Rgb8 } from './picture.js';
import { inSteps, type Steps } from './steps.js';
import { isFloat } from './stored-values.js';

/** Samples are red, green and blue: decoding JPEG 2000 undoes its colour transforms, whatever they are called. */
const rgb: ReadonlySet<string> = new Set(['RGB', 'YBR_RCT', 'YBR_ICT']);
/** Decoded frames have their chroma as fine as luma. */
const ybr: ReadonlySet<string> = new Set(['YBR_FULL', 'YBR_FULL_422']);

/**
 * True colour as RGB of 8 bits a sample (PS3.3 C.7.6.3.1.2). An ICC profile is not applied.
 * Thrown when the colour space is another: DicomRenderError.
 */
export function* renderColor(image: ImagePixel, frame: DecodedFrame): Steps<Rgb8> {
  const { photometricInterpretation: space, samplesPerPixel, samples, columns, rows } = frame;
  const isKnown = samplesPerPixel === 3 && (rgb.has(space) || ybr.has(space)) && !isFloat(samples);
  if (!isKnown)
    throw new DicomRenderError('unsupported', `${space} of ${String(samplesPerPixel)} samples a pixel is not rendered`);
  const out = yield* rgb.has(space) ? scaled(samples, image.bitsStored) : convertedYbr(samples, image.bitsStored);
  return { kind: 'rgb8', columns, rows, samples: out };
}

/** The bits that are stored; `>>> 0` undoes the sign that 32 of them get. */
const storedBits = (sample: number, greatest: number): number => (sample & greatest) >>> 0;

function* scaled(samples: Samples, bits: number): Steps<Uint8Array> {
  if (bits === 8 && samples instanceof Uint8Array) return samples.slice();
  const greatest = 2 ** bits - 1;
  const out = new Uint8Array(samples.length);
  yield* inSteps(out.length, (from, to) => {
    for (let i = from; i < to; i++) out[i] = Math.round((storedBits(samples[i] ?? 0, greatest) * 255) / greatest);
  });
  return out;
}

/** YBR_FULL to RGB: the matrix of ITU-T T.871 7, chroma around the middle of its range. */
function* convertedYbr(samples: Samples, bits: number): Steps<Uint8Array> {
  const greatest = 2 ** bits - 1;
  const middle = 2 ** (bits - 1);
  const factor = 255 / greatest;
  const level = (value: number): number => Math.min(255, Math.max(0, Math.round(value * factor)));
  const out = new Uint8Array(samples.length);
  yield* inSteps(out.length, (from, to) => {
    for (let at = from; at < to; at += 3) {
      const luma = storedBits(samples[at] ?? 0, greatest);
      const blue = storedBits(samples[at + 1] ?? 0, greatest) - middle;
      const red = storedBits(samples[at + 2] ?? 0, greatest) - middle;
      out[at] = level(luma + 1.402 * red);
      out[at + 1] = level(luma - (0.114 * 1.772 * blue + 0.299 * 1.402 * red) / 0.587);
      out[at + 2] = level(luma + 1.772 * blue);
    }
  });
  return out;
}
