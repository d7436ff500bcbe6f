import { Readable, pipeline } from 'node:stream';
import { createDeflateRaw } from 'node:zlib';
import { decodeEncodedFrame, decodedPhotometric, isDecoded } from '../pixels/decode.js';
import { nativeFrameBits } from '../pixels/layout.js';
import { DicomTranscodeError } from '../errors.js';
import { writeFileMeta, type WriteOptions } from '../write.js';
import { isPossible, isUnheld, transferSyntaxesFor } from './choose.js';
import { readFacts, type IconFacts, type ObjectFacts } from './facts.js';
import { defaultTranscodeLimits, type TranscodeLimits } from './limits.js';
import { frameWorkBytes } from './pixel-data.js';
import { imageChanges, planTranscoding, type Plan } from './plan.js';
import { DatasetRewriter, type DecodedIcon } from './rewriter.js';
import { openDataset, storedDataset, type TranscodeSource } from './source.js';

export interface TranscodeOptions {
  /** Transfer syntax UIDs that will do: the best of them is taken, see `transferSyntaxesFor`. */
  readonly to: string | readonly string[];
  /** The first of them that is possible is taken instead. */
  readonly inOrder?: boolean;
  /** Called when a frame of Pixel Data has been decoded or encoded: what was taken before has none of it. */
  readonly onFrame?: () => void;
  readonly limits?: Partial<TranscodeLimits>;
  /** Ends the work, with its reason; a frame that a codec has begun is finished first. */
  readonly signal?: AbortSignal;
}

/** An object that can be had in another transfer syntax: everything that can be known before its first byte has been tried. */
export interface Transcoding {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  /** As stored. */
  readonly fromTransferSyntaxUid: string;
  readonly transferSyntaxUid: string;
  /** It has Pixel Data, or floating-point pixels. */
  readonly hasPixels: boolean;
  /** One of the syntaxes asked for is written here, and cannot hold it: single bits, floating point, or no pixels at all. */
  readonly isUnheld: boolean;
  /** Frames that are decoded or encoded; 0 where they are copied, or are none. */
  readonly frames: number;
  /** Bytes that they take at most while they are worked on, and what one takes that is done. */
  readonly frameWorkBytes: number;
  readonly frameBytes: number;
  /**
   * The dataset in the new syntax, in chunks of some 64 KiB up to a frame, read no faster than it is taken. Once only.
   * Thrown from it when the source ends early or is no dataset: DicomParseError; when a frame is broken: DicomPixelError;
   * when a frame cannot be encoded losslessly: DicomTranscodeError; when the codecs have too much to do:
   * DicomCodecsBusyError. What was taken before is then worth nothing.
   */
  dataset(): AsyncGenerator<Uint8Array>;
  /** The same as a PS3.10 file, with new File Meta Information. */
  file(
    implementation: Pick<WriteOptions, 'implementationClassUid' | 'implementationVersionName'>,
  ): AsyncGenerator<Uint8Array>;
}

/**
 * Gives a stored object in another transfer syntax, without loss: the same elements with the same values, private ones
 * too; Pixel Data decoded or encoded frame by frame; SOP Instance UID and lossy history kept. Memory is bounded by a few
 * frames, whatever the object's size. Group lengths and Data Set Trailing Padding, which would be wrong, are left out, and
 * sequences are written with undefined length; in the syntax it is stored in, its bytes stay as they are.
 * Thrown when it cannot be had in any of the syntaxes: DicomTranscodeError, of a list with the reason of the first; when it
 * is no DICOM object: DicomParseError; when its frames are worked on and its image attributes are impossible: DicomPixelError.
 */
export async function transcode(source: TranscodeSource, options: TranscodeOptions): Promise<Transcoding> {
  const limits = { ...defaultTranscodeLimits, ...options.limits };
  const { signal } = options;
  const facts = await readFacts(source, limits, signal);
  const wanted = typeof options.to === 'string' ? [options.to] : options.to;
  const [best] =
    options.inOrder === true
      ? wanted.filter((uid) => isPossible(facts, uid, limits))
      : transferSyntaxesFor(facts, wanted, limits);
  const plan = planTranscoding(facts, best ?? wanted[0] ?? '', limits);
  const icons = plan.decodeIcons ? await decodeIcons(facts, signal) : new Map<number, DecodedIcon>();
  const { image } = plan;
  const isAsStored = plan.to.uid === facts.transferSyntax.uid;
  const dataset = (): AsyncGenerator<Uint8Array> =>
    isAsStored
      ? storedDataset(source, signal)
      : rewritten({ source, facts, plan, icons, limits, signal, onFrame: options.onFrame });
  return {
    sopClassUid: facts.sopClassUid,
    sopInstanceUid: facts.sopInstanceUid,
    fromTransferSyntaxUid: facts.transferSyntax.uid,
    transferSyntaxUid: plan.to.uid,
    hasPixels: facts.pixels !== undefined,
    isUnheld: wanted.some((uid) => isUnheld(facts, uid, limits)),
    frames: image?.frames ?? 0,
    frameWorkBytes: image ? frameWorkBytes(image, limits) : 0,
    frameBytes: image ? Math.ceil(nativeFrameBits(image) / 8) : 0,
    dataset,
    async *file(implementation) {
      const { sopClassUid, sopInstanceUid } = facts;
      yield writeFileMeta({ ...implementation, sopClassUid, sopInstanceUid, transferSyntaxUid: plan.to.uid });
      yield* dataset();
    },
  };
}

interface Work {
  readonly source: TranscodeSource;
  readonly facts: ObjectFacts;
  readonly plan: Plan;
  readonly icons: ReadonlyMap<number, DecodedIcon>;
  readonly limits: TranscodeLimits;
  readonly signal: AbortSignal | undefined;
  readonly onFrame: (() => void) | undefined;
}

async function* rewritten({ source, facts, plan, icons, limits, signal, onFrame }: Work): AsyncGenerator<Uint8Array> {
  const opened = await openDataset(source, limits, signal);
  try {
    const dataset = new DatasetRewriter(opened, facts, plan, icons, limits, signal, onFrame).run();
    yield* plan.to.deflated ? deflated(dataset) : dataset;
  } finally {
    await opened.close();
  }
}

/** PS3.5 A.5: a raw DEFLATE stream, padded with one zero to an even length. */
async function* deflated(dataset: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const deflater = createDeflateRaw({ chunkSize: 64 * 1024 });
  // What goes wrong in any of the streams is thrown by the last one.
  pipeline(Readable.from(dataset, { objectMode: false }), deflater, () => undefined);
  let byteCount = 0;
  try {
    for await (const chunk of deflater as AsyncIterable<Uint8Array>) {
      byteCount += chunk.length;
      yield chunk;
    }
  } finally {
    deflater.destroy();
  }
  if (byteCount % 2 === 1) yield Uint8Array.of(0);
}

/**
 * Icons with compressed pixels, which only a compressed transfer syntax allows, and in its own codec (PS3.5 A.4): decoded,
 * also where the new syntax is compressed, since uncompressed icons are allowed in every syntax.
 */
async function decodeIcons(
  { transferSyntax, icons }: ObjectFacts,
  signal: AbortSignal | undefined,
): Promise<Map<number, DecodedIcon>> {
  const decoded = new Map<number, DecodedIcon>();
  for (const [position, icon] of icons) decoded.set(position, await decodeIcon(transferSyntax.uid, icon, signal));
  return decoded;
}

async function decodeIcon(
  transferSyntaxUid: string,
  icon: IconFacts,
  signal: AbortSignal | undefined,
): Promise<DecodedIcon> {
  const { image } = icon;
  if (!isDecoded(transferSyntaxUid) || image.frames !== 1 || image.bitsAllocated === 1)
    throw new DicomTranscodeError('undecodable', 'The pixels of an icon are not decoded');
  const { samples, photometricInterpretation } = await decodeEncodedFrame(
    transferSyntaxUid,
    icon.encoded.slice(),
    image,
    signal,
  );
  return {
    vr: image.bitsAllocated > 8 ? 'OW' : 'OB',
    value: new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength),
    changes: imageChanges(icon, decodedPhotometric(photometricInterpretation)),
  };
}
