import type { RangeReader } from '../pixels/layout.js';
import { ByteStream } from '../transcode/byte-stream.js';
import { headBytesMax } from '../transcode/head.js';
import { fileMetaOf, inflated } from '../transcode/source.js';
import { DatasetWalker } from '../transcode/walker.js';
import { transferSyntaxOf, type TransferSyntax } from '../transfer-syntax.js';
import { actualEncoding } from './actual-encoding.js';
import { defaultParseLimits } from './limits.js';
import { headerPrefixBytes } from './parse.js';
import { RangedBytes } from './ranged-bytes.js';

/** A PS3.10 file whose dataset is read by ranges. */
export interface RangedFile {
  readonly transferSyntax: TransferSyntax;
  /** First byte of the dataset in the file. */
  readonly datasetOffset: number;
  readonly read: RangeReader;
  readonly fileBytes: number;
}

/** The longest File Meta Information; real ones stay below 1 KiB. */
const metaBytesMax = 1024 * 1024;

/** A file of which the first bytes are read. Thrown when it is no DICOM file: DicomParseError. What `read` throws passes. */
export async function rangedFile(read: RangeReader, fileBytes: number): Promise<RangedFile> {
  for (let wanted = headerPrefixBytes; ; wanted *= 4) {
    const bytes = await read(0, Math.min(wanted, fileBytes));
    const meta = fileMetaOf(bytes, bytes.length < fileBytes && wanted < metaBytesMax);
    if (!meta) continue;
    const { fileMeta, datasetOffset } = meta;
    return { transferSyntax: transferSyntaxOf(fileMeta.transferSyntaxUid), datasetOffset, read, fileBytes };
  }
}

/** A dataset about to be walked. */
export interface WalkedDataset {
  readonly walker: DatasetWalker;
  /** Offset of its first byte: in the file, or 0 of what is inflated. */
  readonly offset: number;
  /** Lets the file go. */
  close(): Promise<void>;
}

/** What is deflated is inflated piece by piece. Thrown when it is no dataset: DicomParseError. What `read` throws passes. */
export async function walkedDataset(file: RangedFile): Promise<WalkedDataset> {
  const { transferSyntax, datasetOffset, read, fileBytes } = file;
  const { deflated, implicitVr, bigEndian } = transferSyntax;
  const bytes = new RangedBytes(read, datasetOffset, fileBytes);
  // What inflates cannot be passed over.
  const raw = new ByteStream(bytes, undefined, deflated ? undefined : bytes);
  const stream = deflated ? new ByteStream(inflated(raw, defaultParseLimits.inflatedBytesMax)) : raw;
  const close = async (): Promise<void> => {
    await stream.close();
    await raw.close();
  };
  try {
    await stream.fill(headBytesMax);
    const encoding = actualEncoding(stream.peek(headBytesMax), 0, { implicitVr, bigEndian });
    const walker = new DatasetWalker(stream, encoding, false, defaultParseLimits);
    return { walker, offset: deflated ? 0 : datasetOffset, close };
  } catch (error) {
    await close();
    throw error;
  }
}
