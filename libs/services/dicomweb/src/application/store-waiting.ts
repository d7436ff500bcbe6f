import {
  type BulkReference,
  type BulkValue,
  type DicomJson,
  dicomJsonSteps,
  ExplicitVRLittleEndian,
  imageAttributesOf,
  imagePixel,
  isBulkVr,
  isEncapsulated,
  isStreamOf,
  nativeFrameBits,
  parseDataset,
  parseJson,
  type Part10Parts,
  type Steps,
  syntaxOfCodeStream,
  writeDataset,
  writePart10,
} from '@callosum/dicom';
import { CallosumError, isUid } from '@callosum/kernel';

import { UnusableMetadataError } from '../domain/errors/store.js';
import { type BulkForm, documentPath, pixelDataPath } from '../domain/store-bulk-form.js';
import type { SopReference } from './ports/intake.js';
import type { BegunBody } from './store-part.js';

const imageTags: ReadonlySet<string> = new Set(
  ['0002', '0004', '0006', '0008', '0010', '0011', '0100', '0101', '0103'].map((element) => `0028${element}`),
);
const tags = { sopClass: '00080016', sopInstance: '00080018', transferSyntax: '00020010', documentType: '00420012' };

/** What the image attributes say of Pixel Data (PS3.3 C.7.6.3). */
interface StatedPixels {
  readonly frames: number;
  /** Of all native frames. */
  readonly nativeBytes: number;
}

/**
 * A dataset of the DICOM JSON model as its text. It is read anew when it is written: text costs a tenth of the objects
 * that it becomes, and a thousand instances may wait for their pixels.
 * @param text in pieces, which may end within a character
 * @throws {CallosumError} of kind `invalid` when it is none
 */
export function* readDataset(text: readonly Uint8Array[]): Steps<DicomJson> {
  return yield* dicomJsonSteps(yield* parseJson(text));
}

/** Which object a dataset is, where it says so. */
export function sopReferenceOf(dataset: DicomJson): SopReference | undefined {
  const [sopClassUid, sopInstanceUid] = [textIn(dataset, tags.sopClass), textIn(dataset, tags.sopInstance)];
  return isUid(sopClassUid) && isUid(sopInstanceUid) ? { sopClassUid, sopInstanceUid } : undefined;
}

function textIn(dataset: DicomJson, tag: string): string {
  const value = dataset[tag]?.Value?.[0];
  return typeof value === 'string' ? value : '';
}

/** An instance of the metadata, and what of its bulk data has come. */
export class WaitingInstance {
  readonly named: SopReference | undefined;
  /** Locations of values by their paths. */
  readonly references: ReadonlyMap<string, string>;
  readonly documentType: string;
  /** Transfer Syntax UID (0002,0010) of the metadata; '' where it says none. */
  private readonly statedSyntax: string;
  /** Undefined where the image attributes are absent or impossible. */
  #pixels: StatedPixels | undefined;
  /** Image attributes that the metadata leaves to the code stream of the first frame. */
  #derived: DicomJson = {};
  /** Of the frames that came. */
  transferSyntaxUid = ExplicitVRLittleEndian;
  /** Nothing of it is stored: what still comes for it is let pass. */
  failed = false;
  /** What of the request's hold it takes, and of that its text. */
  heldBytes = 0;
  textBytes = 0;
  readonly #missing: Set<string>;
  readonly #values = new Map<string, BulkValue>();
  #frames: (readonly Uint8Array[])[] = [];
  #text: readonly Uint8Array[];
  /** The image attributes that the metadata has. */
  readonly #image: DicomJson;
  readonly #vrs: ReadonlyMap<string, string>;

  /**
   * @param place in the answer
   * @param references of the dataset
   * @throws {CallosumError} of kind `invalid`
   */
  constructor(
    readonly place: number,
    text: readonly Uint8Array[],
    dataset: DicomJson,
    references: readonly BulkReference[],
  ) {
    this.#text = text;
    this.named = sopReferenceOf(dataset);
    this.references = new Map(references.map(({ path, uri }) => [path, uri]));
    this.documentType = this.references.has(documentPath) ? textIn(dataset, tags.documentType) : '';
    this.statedSyntax = textIn(dataset, tags.transferSyntax);
    const inline = dataset[pixelDataPath]?.InlineBinary;
    const isImage = this.references.has(pixelDataPath) || inline !== undefined;
    this.#image = isImage ? imageAttributes(dataset) : {};
    this.#pixels = isImage ? statedPixels(this.#image) : undefined;
    if (inline !== undefined) this.assertNative(inlineBytes(inline));
    this.#missing = new Set(this.references.keys());
    this.#vrs = new Map([...this.references.keys()].map((path) => [path, dataset[path]?.vr ?? '']));
  }

  get isWhole(): boolean {
    return this.#missing.size === 0;
  }

  isMissing(path: string): boolean {
    return this.#missing.has(path);
  }

  /** Nothing more is taken for it, and nothing of it is held: it stays to be asked whether it failed. */
  close(): void {
    this.#missing.clear();
    this.#values.clear();
    this.#frames = [];
    this.#text = [];
  }

  /** What it will be was made of its text. @returns what that took of the hold */
  letTextGo(): number {
    const { textBytes } = this;
    this.#text = [];
    this.textBytes = 0;
    return textBytes;
  }

  /** True when the value is all that is missing, and may be written while it comes: it is no part of a sequence. */
  isLast(path: string): boolean {
    return this.#missing.size === 1 && this.#missing.has(path) && isBulkVr(this.vrOf(path));
  }

  /** VR of a value of the dataset itself; '' of one in an item. */
  vrOf(path: string): string {
    return this.#vrs.get(path) ?? '';
  }

  /** @throws {UnusableMetadataError} where the image attributes are absent or impossible */
  get image(): StatedPixels {
    if (!this.#pixels) throw new UnusableMetadataError('Pixel Data comes without the image attributes (PS3.3 C.7.6.3)');
    return this.#pixels;
  }

  /**
   * Native Pixel Data is as long as the image attributes say, but for the padding of an odd length.
   * @throws {UnusableMetadataError} when it is not: compressed frames sent as octets, most often
   */
  assertNative(byteCount: number): void {
    const { nativeBytes } = this.image;
    if (byteCount !== nativeBytes && byteCount !== nativeBytes + (nativeBytes & 1))
      throw new UnusableMetadataError('Pixel Data is of another length than the image attributes say');
  }

  /**
   * The transfer syntax of Pixel Data: what the part says, else what the metadata says (0002,0010) where the media type
   * allows it, else what the first frame is; all frames are of one.
   * Image attributes that the metadata does not have are those of the first frame's code stream (PS3.18 10.5.1.4).
   * @throws {UnusableMetadataError} when a later frame is of another, or a frame is no code stream of it
   */
  decideSyntax(form: BulkForm | undefined, { head, isWhole }: BegunBody): void {
    const syntaxes = form?.kind === 'frame' ? form.syntaxes : [ExplicitVRLittleEndian];
    // A frame before this one has decided.
    if (!isEncapsulated(this.transferSyntaxUid)) this.transferSyntaxUid = this.#syntaxAmong(syntaxes, head);
    else if (!syntaxes.includes(this.transferSyntaxUid))
      throw new UnusableMetadataError('frames of an instance are of several media types');
    if (form?.kind !== 'frame') return;
    if (head.length === 0) throw new UnusableMetadataError('a frame is empty');
    const isStream = isStreamOf(head, this.transferSyntaxUid, isWhole);
    const isSaid = syntaxes.length === 1 || syntaxes.includes(this.statedSyntax);
    // One whose header is too long is taken at its sender's word.
    if (isStream === false || (isStream === undefined && !isSaid))
      throw new UnusableMetadataError(`a frame is no code stream of its transfer syntax, ${this.transferSyntaxUid}`);
    if (this.#pixels) return;
    this.#derived = imageAttributesOf(head) ?? {};
    this.#pixels = statedPixels({ ...this.#derived, ...this.#image });
  }

  /** Of a video, and of JPEG XL, whose streams do not say it, the default one of the media type. */
  #syntaxAmong(syntaxes: readonly string[], head: Uint8Array): string {
    const [first = ExplicitVRLittleEndian] = syntaxes;
    if (syntaxes.length === 1) return first;
    return syntaxes.includes(this.statedSyntax) ? this.statedSyntax : (syntaxOfCodeStream(head, syntaxes) ?? first);
  }

  /** True when the image attributes have to be found in the first frame. */
  get lacksImage(): boolean {
    return this.#pixels === undefined;
  }

  /** Parts that hold its Pixel Data: a video is one. @throws as `image` does */
  framesWanted({ isVideo }: { readonly isVideo: boolean }): number {
    const { frames } = this.image;
    return isVideo ? 1 : frames;
  }

  put(path: string, pieces: readonly Uint8Array[]): void {
    this.#values.set(path, { bytes: pieces });
    this.#missing.delete(path);
  }

  /** @param framesWanted when so many have come, Pixel Data is whole */
  putFrame(pieces: readonly Uint8Array[], framesWanted: number): void {
    this.#frames.push(pieces);
    if (this.#frames.length < framesWanted) return;
    this.#values.set(pixelDataPath, { frames: this.#frames });
    this.#missing.delete(pixelDataPath);
  }

  get framesHeld(): number {
    return this.#frames.length;
  }

  /**
   * The file, or the two parts of it around a value.
   * @param dataset what the text says, where it was read just now
   * @throws {DicomWriteError} when it is no dataset
   */
  *file(around?: string, dataset?: DicomJson): Steps<Part10Parts> {
    const { transferSyntaxUid } = this;
    const options = { transferSyntaxUid, values: this.#values };
    const stated = dataset ?? (yield* readDataset(this.#text));
    for (const [tag, element] of Object.entries(this.#derived)) stated[tag] ??= element;
    return yield* writePart10(stated, around === undefined ? options : { ...options, around });
  }
}

/** Bytes of base64 text (RFC 4648 4); what is none is refused when it is written. */
const inlineBytes = (text: string): number => (text.length / 4) * 3 - (/=*$/.exec(text.slice(-2))?.[0].length ?? 0);

function imageAttributes(dataset: DicomJson): DicomJson {
  const found: DicomJson = {};
  for (const tag of imageTags) {
    const element = dataset[tag];
    if (element) found[tag] = element;
  }
  return found;
}

/** @param attributes of the image, and no others */
function statedPixels(attributes: DicomJson): StatedPixels | undefined {
  try {
    const image = imagePixel(parseDataset(writeDataset(attributes), ExplicitVRLittleEndian).dataset);
    return { frames: image.frames, nativeBytes: Math.ceil((nativeFrameBits(image) * image.frames) / 8) };
  } catch (error) {
    if (error instanceof CallosumError) return undefined;
    throw error;
  }
}
