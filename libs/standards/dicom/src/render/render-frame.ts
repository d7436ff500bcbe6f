import type { DicomDataset } from '../dataset.js';
import { DicomPixelError } from '../errors.js';
import type { ParsedHeader } from '../parse/parse.js';
import { imagePixel, type ImagePixel } from '../pixels/layout.js';
import type { DecodedFrame } from '../pixels/native.js';
import { renderColor } from './color.js';
import { DicomRenderError } from './errors.js';
import { renderGrayscale } from './grayscale.js';
import { addColours, firstColour, renderPalette } from './palette.js';
import type { Gray8, Picture, Rgb8 } from './picture.js';
import { allAtOnce, inTurns, type Steps } from './steps.js';
import { scaledInSteps, type Viewport } from './viewport.js';
import type { Window } from './voi.js';

export interface RenderOptions {
  /** Which frame it is, from 1, for what functional groups say of it; default 1. */
  readonly frameNumber?: number;
  /** In place of the VOI of the object; without effect on colour, which has none (PS3.4 N.2.1). */
  readonly window?: Window;
  /** Default: as many pixels as the frame has. */
  readonly viewport?: Viewport;
}

/**
 * A frame as a screen shows it (PS3.18 8.3.5, PS3.4 N.2): grey through Modality LUT, VOI LUT and Presentation LUT Shape, of
 * the frame or of the object; colour as RGB. Pixels are taken for squares, as the frame has them. Not applied are overlays,
 * shutters, presentation states, ICC profiles and alpha. Synchronous, with some work for each pixel of the frame and of the
 * viewport: who has others to serve takes `renderInTurns`.
 * @param header of the object, with its lookup tables loaded
 * @param frame as `decodeFrames` or `decodeStoredFrame` gives it
 * Thrown when it cannot be rendered as asked: DicomRenderError; when the header's image attributes are impossible, or not
 * those of the frame: DicomPixelError.
 */
export function renderFrame(
  header: Pick<ParsedHeader, 'dataset'>,
  frame: DecodedFrame,
  options: RenderOptions = {},
): Gray8 | Rgb8 {
  return allAtOnce(rendered(header, frame, options));
}

/**
 * As `renderFrame`, with pauses in which others of the process have their turn.
 * @param signal ends it, with its reason
 */
export function renderInTurns(
  header: Pick<ParsedHeader, 'dataset'>,
  frame: DecodedFrame,
  options: RenderOptions = {},
  signal?: AbortSignal,
): Promise<Gray8 | Rgb8> {
  return inTurns(rendered(header, frame, options), signal);
}

function* rendered(
  { dataset }: Pick<ParsedHeader, 'dataset'>,
  frame: DecodedFrame,
  options: RenderOptions,
): Steps<Picture> {
  const image = imagePixel(dataset);
  const isOfHeader =
    frame.rows === image.rows &&
    frame.columns === image.columns &&
    frame.samplesPerPixel === image.samplesPerPixel &&
    frame.samples.length === image.rows * image.columns * image.samplesPerPixel;
  if (!isOfHeader)
    throw new DicomPixelError('dicom.pixel-data-broken', 'A frame does not have the size the dataset states');
  const render = (): Steps<Picture> => {
    if (frame.samplesPerPixel !== 1) return renderColor(image, frame);
    switch (frame.photometricInterpretation) {
      case 'MONOCHROME1':
      case 'MONOCHROME2':
        return renderMonochrome(dataset, image, frame, options);
      case 'PALETTE COLOR':
        return renderPalette(dataset, image, frame);
      default:
        throw new DicomRenderError('unsupported', 'A Photometric Interpretation of one sample that is not rendered');
    }
  };
  const picture = yield* render();
  return options.viewport ? yield* scaledInSteps(picture, options.viewport) : picture;
}

/** Grey, and in colour what a Supplemental Palette Color LUT colours. */
function* renderMonochrome(
  dataset: DicomDataset,
  image: ImagePixel,
  frame: DecodedFrame,
  { frameNumber = 1, window }: RenderOptions,
): Steps<Picture> {
  const first = firstColour(dataset, image, frameNumber);
  const grey = yield* renderGrayscale(dataset, image, frame, { frameNumber, window, firstColour: first });
  return first === undefined ? grey : yield* addColours(grey, first, dataset, image, frame);
}
