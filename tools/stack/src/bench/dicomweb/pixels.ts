import {
  datasetOf,
  decodeStoredFrame,
  encodedSyntaxes,
  encodePicture,
  ExplicitVRLittleEndian,
  imagePixel,
  type ImagePixel,
  parseFile,
  type ParsedFile,
  type PictureFormat,
  renderInTurns,
  type StoredFrame,
  transcodeFrame,
  transferSyntaxOf,
  writeFile,
} from '@callosum/dicom';
import { generateThoraxPhantom } from '@callosum/phantom';

import { median } from '../dimse/rounds.js';

/** What this part needs of the bench. */
export interface PixelsBench {
  readonly options: {
    /** Rounds that count, beside the first. */
    readonly rounds: number;
    /** Prints what is known by now. */
    readonly print: (text: string) => void;
  };
}

export interface PixelSizes {
  /** Rows and columns of the CT slice. */
  readonly ctSide: number;
  /** Rows and columns of the radiograph. */
  readonly dxSide: number;
}

/** Milliseconds of each round that counts, by what was done. */
export type PixelFigures = Readonly<Record<string, readonly number[]>>;

/** A CT slice as it is everywhere, and a detector of 9 million pixels. */
const usual: PixelSizes = { ctSide: 512, dxSide: 3_000 };
const thumbnailSide = 256;
/** Digital X-Ray Image Storage - For Presentation (PS3.4 B.5), here with a window of its own. */
const digitalRadiograph = '1.2.840.10008.5.1.4.1.1.1.1';

/**
 * What one frame costs in this process, with one at a time and so one thread of codecs: transcoded between its samples and
 * each lossless syntax, and as a picture. Nobody else's programs are asked: they are beside this site in the parts that go
 * over HTTP. Work that does not count warms codecs and compilers up.
 * @returns milliseconds, also printed as tables
 */
export async function benchPixels({ options }: PixelsBench, sizes: PixelSizes = usual): Promise<PixelFigures> {
  const ct = slice(sizes.ctSide);
  const dx = radiograph(ct, sizes.dxSide);
  const transcoded = await timed(options.rounds, await transcodings(ct.stored));
  options.print(table(`### Frames of ${sizes.ctSide} × ${sizes.ctSide}, 16 bits, without loss`, transcoded));
  const pictures = await timed(options.rounds, new Map([...picturesOf('CT', ct), ...picturesOf('DX', dx)]));
  const title = `### Pictures of a CT of ${sizes.ctSide} × ${sizes.ctSide} and a DX of ${sizes.dxSide} × ${sizes.dxSide}`;
  options.print(table(title, pictures));
  return { ...Object.fromEntries(transcoded), ...Object.fromEntries(pictures) };
}

type Work = () => Promise<unknown>;

interface Image {
  readonly file: Pick<ParsedFile, 'dataset'>;
  readonly stored: StoredFrame;
}

/** The middle slice of the phantom's chest: as well to compress as a patient's. */
function slice(side: number): Image {
  const { study } = generateThoraxPhantom({ slices: 64, matrix: side });
  const { bytes } = study.instances[Math.floor(study.instances.length / 2)] ?? {};
  if (!bytes) throw new RangeError('the phantom has slices');
  const file = parseFile(bytes);
  const pixels = file.dataset.bytes('PixelData') ?? new Uint8Array();
  return { file, stored: frameOf(pixels, imagePixel(file.dataset)) };
}

/** The slice enlarged to a detector's size, each pixel with noise of its own. */
function radiograph({ stored }: Image, side: number): Image {
  const image: ImagePixel = { ...stored.image, rows: side, columns: side };
  const from = new Int16Array(new Uint8Array(stored.bytes).buffer);
  const pixels = new Int16Array(side * side);
  const place = (at: number): number => Math.floor((at * stored.image.columns) / side);
  let state = 7;
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      pixels[row * side + column] = (from[place(row) * stored.image.columns + place(column)] ?? 0) + (state >>> 28);
    }
  }
  const file = parseFile(
    writeFile(
      datasetOf({
        SOPClassUID: digitalRadiograph,
        SOPInstanceUID: '2.25.82',
        SamplesPerPixel: 1,
        PhotometricInterpretation: 'MONOCHROME2',
        Rows: side,
        Columns: side,
        BitsAllocated: 16,
        BitsStored: 16,
        HighBit: 15,
        PixelRepresentation: 1,
        WindowCenter: 40,
        WindowWidth: 400,
      }),
      { implementationClassUid: '1.2.3' },
    ),
  );
  return { file, stored: frameOf(new Uint8Array(pixels.buffer), image) };
}

const frameOf = (bytes: Uint8Array, image: ImagePixel): StoredFrame => ({
  bytes,
  transferSyntaxUid: ExplicitVRLittleEndian,
  image: { ...image, frames: 1 },
});

/** From samples to each syntax, and back. */
async function transcodings(stored: StoredFrame): Promise<ReadonlyMap<string, Work>> {
  const all = new Map<string, Work>();
  for (const uid of encodedSyntaxes) {
    const { bytes, image } = await transcodeFrame(stored, uid);
    const { name } = transferSyntaxOf(uid);
    all.set(`to ${name}, proven`, () => transcodeFrame(stored, uid));
    all.set(`from ${name}`, () => transcodeFrame({ bytes, image, transferSyntaxUid: uid }, ExplicitVRLittleEndian));
  }
  return all;
}

function picturesOf(name: string, { file, stored }: Image): ReadonlyMap<string, Work> {
  const picture = async (format: PictureFormat, side?: number): Promise<Uint8Array> => {
    const frame = await decodeStoredFrame(stored);
    const options = side === undefined ? {} : { viewport: { width: side, height: side } };
    return encodePicture(await renderInTurns(file, frame, options), { format });
  };
  return new Map<string, Work>([
    ...(['jpeg', 'png', 'webp'] as const).map((format) => [`${name} as ${format}`, () => picture(format)] as const),
    [`${name} as jpeg of ${thumbnailSide} pixels`, () => picture('jpeg', thumbnailSide)],
  ]);
}

async function timed(rounds: number, all: ReadonlyMap<string, Work>): Promise<ReadonlyMap<string, readonly number[]>> {
  const times = new Map<string, number[]>([...all.keys()].map((name) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, work] of all) {
      const began = performance.now();
      await work();
      if (round > 0) times.get(name)?.push(performance.now() - began);
    }
  }
  return times;
}

function table(title: string, times: ReadonlyMap<string, readonly number[]>): string {
  const rows = [...times].map(([name, ms]) => {
    const middle = median(ms);
    return `| ${name} | ${middle.toFixed(1)} | ${Math.min(...ms).toFixed(1)} – ${Math.max(...ms).toFixed(1)} | ${(1000 / middle).toFixed(1)} |`;
  });
  return [title, '', '| frame | ms, median | least – most | a second |', '|---|---|---|---|', ...rows, ''].join('\n');
}
