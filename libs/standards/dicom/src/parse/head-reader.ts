import type { Tag } from '../tags.js';
import { ByteCursor, EndOfBytes, type Encoding, type Head } from './cursor.js';

/** The longest head: tag, VR, reserved and 32-bit length. */
export const headBytesMax = 12;
export const undefinedLength = 0xffffffff;

export const itemTag: Tag = 'FFFEE000';
export const itemDelimiter: Tag = 'FFFEE00D';
export const sequenceDelimiter: Tag = 'FFFEE0DD';

/** Pixel Data and its floating point kin. */
export const pixelDataTags: ReadonlySet<Tag> = new Set(['7FE00008', '7FE00009', '7FE00010']);

/** VRs of which an element may have an undefined length, and is a sequence of items then; but for Pixel Data. */
export const undefinedLengthVrs: ReadonlySet<string> = new Set(['SQ', 'UN', 'OB', 'OW']);

/** UN of undefined length holds Implicit VR Little Endian, whatever is around it (PS3.5 6.2.2 note 4). */
export const insideUnknown: Encoding = { implicitVr: true, bigEndian: false };
/** Heads of fragments are little endian always (PS3.5 A.4). */
export const fragmentHeads: Encoding = { implicitVr: false, bigEndian: false };

/**
 * Reads heads one by one, as every reader here does: the same defects of writers are read. Its position may be moved by
 * whoever passes over a value.
 */
export class HeadReader extends ByteCursor {
  get available(): number {
    return this.bytes.length - this.position;
  }

  /** The head of an element at the position; undefined where the bytes end inside it. */
  element(encoding: Encoding, signed = false): Head | undefined {
    try {
      return this.readHead(encoding, this.bytes.length, signed);
    } catch (error) {
      return undefinedAtEnd(error);
    }
  }

  /** The head of an item, a fragment or a delimiter; undefined where the bytes end inside it. */
  item(encoding: Encoding): { readonly tag: Tag; readonly length: number } | undefined {
    try {
      return this.readItemHead(encoding, this.bytes.length);
    } catch (error) {
      return undefinedAtEnd(error);
    }
  }

  /** Bytes at the position, which stay. */
  peek(byteCount: number): Uint8Array {
    return this.bytes.subarray(this.position, this.position + byteCount);
  }
}

function undefinedAtEnd(error: unknown): undefined {
  if (!(error instanceof EndOfBytes)) throw error;
}
