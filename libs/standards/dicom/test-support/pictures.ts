import {
  datasetOf,
  decodeFrames,
  parseFile,
  renderFrame,
  type Attributes,
  type Picture,
  type RenderOptions,
} from '../src/index.js';
import { fileOf, imageElements, type ImageOptions } from './objects.js';

/** An image of one's own: by default a row of grey words. */
export interface GivenImage extends ImageOptions {
  /** The value of Pixel Data. */
  readonly pixels: Uint8Array;
  /** Of Float Pixel Data and its like; default Pixel Data. */
  readonly pixelTag?: '7FE00008' | '7FE00009';
  readonly attributes?: Attributes;
  /** In place of the dictionary's, by keyword. */
  readonly vrs?: Readonly<Record<string, string>>;
}

const pixelVrs = { '7FE00008': 'OF', '7FE00009': 'OD', '7FE00010': 'OW' };

/** The object as a file, Explicit VR Little Endian. */
export function imageFile({ pixels, pixelTag, attributes = {}, vrs = {}, ...image }: GivenImage): Uint8Array {
  const tag = pixelTag ?? '7FE00010';
  return fileOf({
    ...imageElements(image),
    ...datasetOf(attributes, vrs),
    [tag]: { vr: pixelVrs[tag], bytes: pixels },
  });
}

/** One of its frames, rendered. */
export async function pictureOf(given: GivenImage, options: RenderOptions = {}): Promise<Picture> {
  const file = parseFile(imageFile(given));
  const [frame] = await decodeFrames(file, { frameNumbers: [options.frameNumber ?? 1] });
  if (!frame) throw new Error('one frame');
  return renderFrame(file, frame, options);
}

/** The levels of a row of grey words. */
export async function levelsOf(
  values: readonly number[],
  given: Omit<GivenImage, 'pixels' | 'rows' | 'columns'> = {},
  options: RenderOptions = {},
): Promise<number[]> {
  const { samples } = await pictureOf(
    { rows: 1, columns: values.length / (given.frames ?? 1), ...given, pixels: words(...values) },
    options,
  );
  return [...samples];
}

/** 16-bit values, little-endian; of negative ones their two's complement. */
export const words = (...values: readonly number[]): Uint8Array => new Uint8Array(Uint16Array.from(values).buffer);
