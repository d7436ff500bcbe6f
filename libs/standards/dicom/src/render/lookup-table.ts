import type { DicomDataset } from '../dataset.js';
import { DicomRenderError } from './errors.js';

/** The three values of a LUT Descriptor (PS3.3 C.11.1.1, C.11.2.1.1, C.7.6.3.1.5). */
export interface LutDescriptor {
  readonly entryCount: number;
  /** The input value that the first entry is for. */
  readonly firstInput: number;
  /** Bits of an entry. */
  readonly bits: number;
}

export interface LookupTable extends LutDescriptor {
  readonly entries: Uint8Array | Uint16Array;
}

/**
 * Reads a descriptor from its bytes: of its three values only the second may be negative, whatever VR all of them share.
 * @param signed whether the input may be negative: VRs of Implicit VR are the dictionary's, and some writers say US
 * Thrown when it is missing or no descriptor: DicomRenderError.
 */
export function readDescriptor(dataset: DicomDataset, keyword: string, signed: boolean): LutDescriptor {
  const element = dataset.element(keyword);
  if (!element || element.value.length < 6) throw broken(`${keyword} is missing`);
  const view = new DataView(element.value.buffer, element.value.byteOffset, 6);
  const bits = view.getUint16(4, true);
  if (bits < 1 || bits > 16) throw broken(`${keyword} states entries of ${String(bits)} bits`);
  return {
    // 0 stands for the one number that 16 bits cannot say.
    entryCount: view.getUint16(0, true) || 0x10000,
    firstInput: signed || element.vr === 'SS' ? view.getInt16(2, true) : view.getUint16(2, true),
    bits,
  };
}

/**
 * The bytes of a table, little-endian words or bytes.
 * Thrown when they are missing or were left out of the header: DicomRenderError.
 */
export function lutBytes(dataset: DicomDataset, keyword: string): Uint8Array {
  const element = dataset.element(keyword);
  if (element?.notLoaded === true) throw new DicomRenderError('not-loaded', `${keyword} was not read with the header`);
  if (!element || element.value.length === 0) throw broken(`${keyword} is missing`);
  return element.value;
}

/**
 * Entries of a table. They are words where there are enough of them: entries of 8 bits stand in bytes, but some writers
 * give each a word (PS3.3 C.11.2.1.1 has a note about it).
 * Thrown when they are fewer than stated: DicomRenderError.
 */
export function lutEntries(bytes: Uint8Array, { entryCount, bits }: LutDescriptor): Uint8Array | Uint16Array {
  if (bytes.length >= 2 * entryCount) return wordsOf(bytes, entryCount);
  if (bits <= 8 && bytes.length >= entryCount) return bytes.subarray(0, entryCount);
  throw broken('A lookup table has fewer entries than its descriptor states');
}

/** Little-endian words, wherever they begin. */
export function wordsOf(bytes: Uint8Array, count: number): Uint16Array {
  return new Uint16Array(new Uint8Array(bytes.subarray(0, 2 * count)).buffer);
}

/** The table of an item of Modality LUT Sequence or VOI LUT Sequence. Errors as the others here. */
export function readLookupTable(item: DicomDataset, signed: boolean): LookupTable {
  const descriptor = readDescriptor(item, 'LUTDescriptor', signed);
  return { ...descriptor, entries: lutEntries(lutBytes(item, 'LUTData'), descriptor) };
}

/**
 * The entry for an input value; inputs before the first and after the last have theirs. What lies between two inputs, after
 * a fractional rescale, is nearest to one of them.
 */
export function lookUp({ entries, firstInput }: Pick<LookupTable, 'entries' | 'firstInput'>, input: number): number {
  const index = Math.round(input - firstInput);
  // The first way round also for what is no number.
  if (!(index > 0)) return entries[0] ?? 0;
  return entries[Math.min(index, entries.length - 1)] ?? 0;
}

const broken = (message: string): DicomRenderError => new DicomRenderError('broken', message);
