import { createHash } from 'node:crypto';

import { type ParsedHeader, parsedElementsMax, parseHeader, withOnly } from '@callosum/dicom';
import { isUid } from '@callosum/kernel';
import type { ObjectStore, StoredObject } from '@callosum/object-store';

import { MissingUidError, TruncatedObjectError, UidMismatchError } from './errors.js';
import { completeHeader, identifyingTags, pixelDataEnds } from './header.js';

export interface InstanceUids {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
}

export type SopReference = Pick<InstanceUids, 'sopClassUid' | 'sopInstanceUid'>;

/** What whoever sends an object says of it, and what it must be to be taken. */
export interface Expected extends Partial<InstanceUids> {
  /** Looks at the whole object before it gets its row: what this throws is thrown, and nothing of the object is left. */
  readonly assert?: (object: InstanceUids & { readonly transferSyntaxUid: string }) => void;
}

/** A written, durable blob that no row names yet. */
export interface WrittenInstance extends InstanceUids {
  readonly transferSyntaxUid: string;
  readonly blob: StoredObject;
  readonly datasetSha256: string;
}

/** Header bytes kept while an object streams: larger headers are read back from the store when it has ended. */
const prefixBytesMax = 1024 * 1024;
/** Of how many bytes a header is looked for first, and then of twice as many: most images' are of a few KiB. */
const firstLookBytes = 8 * 1024;
/** Enough to find the delimiter that ends encapsulated Pixel Data before the usual trailing padding. */
const tailBytesMax = 4096;
const dicmEnd = 132;
/** An object that inflates to more is not inflated at once, and one of more elements not parsed, only to name it. */
const namedLimits = { inflatedBytesMax: prefixBytesMax, elementsMax: parsedElementsMax };

/** Looks at the PS3.10 bytes of one object as they pass, in bounded memory, and knows it when they have ended. */
export class InstanceBytes {
  #room = Buffer.alloc(0);
  #prefix = Buffer.alloc(0);
  #nextLookBytes = firstLookBytes;
  /** Found before the object has ended: nothing more is kept of it then. */
  #found: ParsedHeader | undefined;
  readonly #tail = Buffer.alloc(tailBytesMax);
  #tailBytes = 0;
  #total = 0;
  #datasetOffset: number | undefined;

  take(bytes: Uint8Array): void {
    this.#total += bytes.length;
    if (!this.#found && this.#prefix.length < prefixBytesMax) this.#extendPrefix(bytes);
    this.#keepTail(bytes);
    this.#findDataset();
    if (!this.#found && this.#datasetOffset !== undefined && this.#prefix.length >= this.#nextLookBytes) this.#look();
  }

  /** A header that is whole ends the copying of what follows, which for most images is all of the pixels. */
  #look(): void {
    this.#nextLookBytes = this.#prefix.length * 2;
    try {
      const header = parseHeader(this.#prefix, { complete: false, limits: namedLimits });
      if (header !== 'need-more') this.#found = withOnly(header, identifyingTags);
    } catch {
      // Said when the object has ended.
    }
  }

  #keepTail(bytes: Uint8Array): void {
    const last = bytes.subarray(Math.max(0, bytes.length - tailBytesMax));
    const kept = Math.min(this.#tailBytes, tailBytesMax - last.length);
    this.#tail.copyWithin(0, this.#tailBytes - kept, this.#tailBytes);
    this.#tail.set(last, kept);
    this.#tailBytes = kept + last.length;
  }

  /** Room doubles: a sender of tiny fragments must not make us copy a mebibyte for each. */
  #extendPrefix(bytes: Uint8Array): void {
    const have = this.#prefix.length;
    const length = Math.min(prefixBytesMax, have + bytes.length);
    if (length > this.#room.length) {
      const room = Buffer.alloc(Math.min(prefixBytesMax, Math.max(length, this.#room.length * 2)));
      this.#prefix.copy(room);
      this.#room = room;
    }
    this.#room.set(bytes.subarray(0, length - have), have);
    this.#prefix = this.#room.subarray(0, length);
  }

  /**
   * Where the file meta information ends that its first element states the length of (PS3.10 7.1), once that was taken:
   * what lies behind is digested, by whoever writes the object.
   */
  datasetFrom(): number | undefined {
    return this.#datasetOffset;
  }

  #findDataset(): void {
    if (this.#datasetOffset !== undefined || this.#prefix.length < dicmEnd + 12) return;
    this.#datasetOffset = dicmEnd + 12 + this.#prefix.readUInt32LE(dicmEnd + 8);
  }

  /** Which SOP Instance the bytes taken so far are; undefined where its header cannot be read (yet). */
  sopInstance(): SopReference | undefined {
    try {
      const complete = this.#prefix.length === this.#total;
      const header = this.#found ?? parseHeader(this.#prefix, { complete, limits: namedLimits });
      if (header === 'need-more') return undefined;
      const [sopClassUid, sopInstanceUid] = ['SOPClassUID', 'SOPInstanceUID'].map((one) => header.dataset.string(one));
      return isUid(sopClassUid ?? '') && isUid(sopInstanceUid ?? '')
        ? { sopClassUid: sopClassUid ?? '', sopInstanceUid: sopInstanceUid ?? '' }
        : undefined;
    } catch {
      // Whatever is wrong with it, it names nothing.
      return undefined;
    }
  }

  /**
   * What the stored object is, once all of its bytes were taken.
   * @param blob with the digest of what lies behind `datasetFrom()`
   * @param expected UIDs announced for it: others than these are refused, and others than those of its own file meta
   *   information (PS3.10 table 7.1-1). Not given for an object that is kept already: it is what it is.
   * @throws {DicomParseError} @throws {TruncatedObjectError} @throws {MissingUidError} @throws {UidMismatchError}
   * @throws {ObjectStoreUnavailableError} and what `expected.assert` throws
   */
  async describe(store: ObjectStore, blob: StoredObject, expected?: Expected): Promise<WrittenInstance> {
    const header = await this.#header(store, blob.key);
    const uids = readUids(header, expected);
    if (expected) checkFileMeta(header, uids);
    if (!(await pixelDataEnds(header, this.#total, this.#tail.subarray(0, this.#tailBytes), store, blob.key)))
      throw new TruncatedObjectError();
    const { transferSyntaxUid } = header.fileMeta;
    expected?.assert?.({ ...uids, transferSyntaxUid });
    return { ...uids, transferSyntaxUid, blob, datasetSha256: this.#datasetSha256(header, blob) };
  }

  /**
   * File meta information may lie about its length, or not state it: then another stretch was hashed, perhaps none,
   * and two different objects would pass as one. The digest of the whole file stands in.
   */
  #datasetSha256(header: ParsedHeader, blob: StoredObject): string {
    const { tailSha256 } = blob;
    const isDataset = header.datasetOffset === this.#datasetOffset && tailSha256 !== undefined;
    return isDataset ? tailSha256 : `file:${blob.sha256}`;
  }

  async #header(store: ObjectStore, key: string): Promise<ParsedHeader> {
    return this.#found ?? completeHeader(store, key, this.#total, this.#prefix);
  }
}

/** Reads a stored blob as if it had just been written. @throws as `describe` does, and {ObjectNotFoundError} */
export async function describeBlob(store: ObjectStore, key: string): Promise<WrittenInstance> {
  const bytes = new InstanceBytes();
  const hash = createHash('sha256');
  const datasetHash = createHash('sha256');
  let byteCount = 0;
  for await (const chunk of (await store.get(key)) as AsyncIterable<Uint8Array>) {
    bytes.take(chunk);
    hash.update(chunk);
    const from = bytes.datasetFrom();
    if (from !== undefined) datasetHash.update(chunk.subarray(Math.max(0, from - byteCount)));
    byteCount += chunk.length;
  }
  return bytes.describe(store, { key, byteCount, sha256: hash.digest('hex'), tailSha256: datasetHash.digest('hex') });
}

const attributes = {
  sopClassUid: 'SOPClassUID',
  sopInstanceUid: 'SOPInstanceUID',
  studyInstanceUid: 'StudyInstanceUID',
  seriesInstanceUid: 'SeriesInstanceUID',
} as const;

function readUids(header: ParsedHeader, expected: Expected | undefined): InstanceUids {
  const read = (name: keyof InstanceUids): string => {
    const keyword = attributes[name];
    const [value = '', ...others] = header.dataset.strings(keyword);
    // VM 1 (PS3.6). What is kept already is known by the first.
    if (!isUid(value) || (expected !== undefined && others.length > 0)) throw new MissingUidError(keyword);
    if (expected?.[name] !== undefined && expected[name] !== value) throw new UidMismatchError(keyword);
    return value;
  };
  return {
    sopClassUid: read('sopClassUid'),
    sopInstanceUid: read('sopInstanceUid'),
    studyInstanceUid: read('studyInstanceUid'),
    seriesInstanceUid: read('seriesInstanceUid'),
  };
}

/** A file that names another object than it holds would be given out under two names. Absent ones contradict nothing. */
function checkFileMeta({ fileMeta }: ParsedHeader, { sopClassUid, sopInstanceUid }: InstanceUids): void {
  const { mediaStorageSopClassUid: sopClass, mediaStorageSopInstanceUid: sopInstance } = fileMeta;
  if (sopClass !== '' && sopClass !== sopClassUid) throw new UidMismatchError('SOPClassUID');
  if (sopInstance !== '' && sopInstance !== sopInstanceUid) throw new UidMismatchError('SOPInstanceUID');
}
