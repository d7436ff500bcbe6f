import { DicomDataset, type DicomElement } from '../dataset.js';
import { DicomPixelError, DicomTranscodeError } from '../errors.js';
import { toLittleEndian } from '../parse/byte-order.js';
import { imagePixel, type ImagePixel, nativeFrameBits } from '../pixels/layout.js';
import type { TransferSyntax } from '../transfer-syntax.js';
import { vrOf, type Tag } from '../tags.js';
import type { ByteStream } from './byte-stream.js';
import type { TranscodeLimits } from './limits.js';
import { openDataset, type TranscodeSource } from './source.js';
import { DatasetWalker, pixelDataTags } from './walker.js';

/** What must be known of an object before its first byte can be written in another transfer syntax. */
export interface ObjectFacts {
  readonly transferSyntax: TransferSyntax;
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  /** Pixel Representation is 1. */
  readonly signed: boolean;
  /** Lossy Image Compression (0028,2110), '' when absent. */
  readonly lossyImageCompression: string;
  /** Lossy Image Compression Method (0028,2114) is there. */
  readonly hasLossyMethod: boolean;
  readonly pixels: PixelFacts | undefined;
  /** Icons whose pixels are compressed, by the position of their items. */
  readonly icons: ReadonlyMap<number, IconFacts>;
}

export interface PixelFacts {
  readonly tag: Tag;
  readonly vr: string;
  /** Undefined when encapsulated. */
  readonly byteCount: number | undefined;
  /** Bits Allocated (0028,0100) as it is said, undefined when absent. */
  readonly bitsAllocated: number | undefined;
  /** Or why its image attributes are impossible, which matters only to who works on its frames. */
  readonly image: ImagePixel | DicomPixelError;
  /** Planar Configuration (0028,0006) is there. */
  readonly hasPlanarConfiguration: boolean;
  /** The first bytes of the first frame, when encapsulated. */
  readonly firstFrame: Uint8Array;
  /** Extended Offset Table (PS3.3 C.7.6.3.1.8): the item of each frame, counted from the first after the Basic Offset Table. */
  readonly extendedOffsets: readonly number[];
}

/** Of pixels whose frames can be told apart. */
export type FrameFacts = PixelFacts & { readonly image: ImagePixel };

export interface IconFacts {
  readonly image: ImagePixel;
  readonly hasPlanarConfiguration: boolean;
  /** Its fragments, joined. */
  readonly encoded: Uint8Array;
}

/** Headers of code streams end within this, application data of writers included. */
const firstFrameBytes = 64 * 1024;
/** PS3.3 C.7.6.1.1.6 wants 64 × 64 or so; vendors have up to 256 × 256. As it is stored, and decoded. */
const iconBytesMax = 4 * 1024 * 1024;
/** All icons of an object, stored and decoded: one for each of some hundred frames. They are held until they are written. */
const iconsBytesMax = 32 * 1024 * 1024;

const noted: ReadonlySet<Tag> = new Set([
  ...['00080016', '00080018', '00280002', '00280004', '00280006', '00280008', '00280010', '00280011', '00280100'],
  ...['00280101', '00280102', '00280103', '00282110', '00282114', '7FE00001', '7FE00002'],
]);
const offsetTables: ReadonlySet<Tag> = new Set(['7FE00001', '7FE00002']);
/** Offset tables of four million frames. */
const tableBytesMax = 32 * 1024 * 1024;
/** Of all else that is noted, at each of the levels around: numbers and names. */
const notedBytesMax = 1024;

/**
 * Reads an object up to its Pixel Data, holding only what transcoding depends on.
 * Thrown when it is no DICOM object: DicomParseError; when the image attributes of an icon are impossible:
 * DicomPixelError; when something passes a limit: DicomParseError or DicomTranscodeError.
 */
export async function readFacts(
  source: TranscodeSource,
  limits: TranscodeLimits,
  signal: AbortSignal | undefined,
): Promise<ObjectFacts> {
  const { transferSyntax, encoding, stream, close } = await openDataset(source, limits, signal);
  try {
    return await new FactsReader(new DatasetWalker(stream, encoding, false, limits), transferSyntax).read();
  } finally {
    await close();
  }
}

class FactsReader {
  /** Noted elements of the dataset and of each item around. */
  readonly #notes: Map<Tag, DicomElement>[] = [new Map()];
  readonly #positions: number[] = [0];
  readonly #icons = new Map<number, IconFacts>();
  #iconsBytes = 0;
  #pixels: PixelFacts | undefined;

  constructor(
    private readonly walker: DatasetWalker,
    private readonly transferSyntax: TransferSyntax,
  ) {}

  async read(): Promise<ObjectFacts> {
    for (let event = await this.walker.next(); event && !this.#pixels; event = await this.walker.next()) {
      if (event.kind === 'item') {
        this.#notes.push(new Map());
        this.#positions.push(event.position);
      } else if (event.kind === 'item-end') {
        this.#notes.pop();
        this.#positions.pop();
      } else if (event.kind === 'fragments') await this.#onFragments(event.tag);
      else if (event.kind === 'element') await this.#onElement(event.tag, event.vr, event.length);
      if (this.#pixels) break;
    }
    const dataset = this.#dataset();
    return {
      transferSyntax: this.transferSyntax,
      sopClassUid: dataset.string('00080016') ?? '',
      sopInstanceUid: dataset.string('00080018') ?? '',
      signed: dataset.number('00280103') === 1,
      lossyImageCompression: dataset.string('00282110') ?? '',
      hasLossyMethod: dataset.string('00282114') !== undefined,
      pixels: this.#pixels,
      icons: this.#icons,
    };
  }

  #dataset(): DicomDataset {
    return new DicomDataset(this.#notes.at(-1) ?? new Map<Tag, DicomElement>(), '');
  }

  async #onElement(tag: Tag, vr: string, length: number): Promise<void> {
    const { stream, elementEncoding } = this.walker;
    const isTop = this.#notes.length === 1;
    if (isTop && pixelDataTags.has(tag)) {
      if (length > 0) this.#pixels = this.#pixelFacts(tag, vr, length, new Uint8Array(0));
      return;
    }
    const notes = this.#notes.at(-1);
    // The first of repeated elements counts, as for the parser.
    const most = isTop && offsetTables.has(tag) ? tableBytesMax : notedBytesMax;
    if (!notes || !noted.has(tag) || notes.has(tag) || length > most) return;
    const value = new Uint8Array(await stream.read(length));
    notes.set(tag, {
      tag,
      // PS3.5 6.2.2 note 2: a public attribute sent as UN may be read with the VR the dictionary gives it.
      vr: vr === 'UN' ? vrOf(tag) : vr,
      value: elementEncoding.bigEndian ? toLittleEndian(vr, value) : value,
      range: { offset: stream.position - length, byteCount: length },
    });
  }

  async #onFragments(tag: Tag): Promise<void> {
    if (this.#notes.length > 1) {
      await this.#onIcon();
      return;
    }
    this.#pixels = this.#pixelFacts(tag, 'OB', undefined, await firstBytes(this.walker.stream));
  }

  #pixelFacts(tag: Tag, vr: string, byteCount: number | undefined, firstFrame: Uint8Array): PixelFacts {
    const dataset = this.#dataset();
    return {
      tag,
      vr,
      byteCount,
      bitsAllocated: dataset.number('00280100'),
      image: imageOf(dataset),
      hasPlanarConfiguration: dataset.has('00280006'),
      firstFrame,
      extendedOffsets: extendedOffsets(dataset),
    };
  }

  #countIcon(byteCount: number): void {
    this.#iconsBytes += byteCount;
    if (byteCount > iconBytesMax || this.#iconsBytes > iconsBytesMax) throw noIcon();
  }

  async #onIcon(): Promise<void> {
    const dataset = this.#dataset();
    const image = imagePixel(dataset);
    const parts: Uint8Array[] = [];
    let isTable = true;
    let byteCount = 0;
    this.#countIcon(Math.ceil(nativeFrameBits(image) / 8));
    for await (const item of this.walker.fragments(iconBytesMax)) {
      if (!isTable) parts.push(new Uint8Array(item));
      if (!isTable) byteCount += item.length;
      isTable = false;
      if (byteCount > iconBytesMax) throw noIcon();
    }
    this.#countIcon(byteCount);
    this.#icons.set(this.#positions.at(-1) ?? 0, {
      image,
      hasPlanarConfiguration: dataset.has('00280006'),
      encoded: new Uint8Array(Buffer.concat(parts)),
    });
  }
}

/** Pixels that are copied are no better for attributes that fit them, and no worse. */
function imageOf(dataset: DicomDataset): ImagePixel | DicomPixelError {
  try {
    return imagePixel(dataset);
  } catch (error) {
    if (error instanceof DicomPixelError) return error;
    throw error;
  }
}

const noIcon = (): DicomTranscodeError =>
  new DicomTranscodeError('too-large', 'Compressed pixels inside sequences are larger than any icons');

/** The start of the first fragment after the Basic Offset Table, without passing it. */
async function firstBytes(stream: ByteStream): Promise<Uint8Array> {
  const lengthOf = async (): Promise<number> => {
    const head = await stream.read(8);
    return new DataView(head.buffer, head.byteOffset, 8).getUint32(4, true);
  };
  await stream.skip(await lengthOf());
  const length = Math.min(await lengthOf(), firstFrameBytes);
  await stream.fill(length);
  return new Uint8Array(stream.peek(length));
}

function extendedOffsets(dataset: DicomDataset): number[] {
  const value = dataset.bytes('7FE00001');
  if (!value) return [];
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return Array.from({ length: Math.floor(value.length / 8) }, (_, i) => Number(view.getBigUint64(i * 8, true)));
}
