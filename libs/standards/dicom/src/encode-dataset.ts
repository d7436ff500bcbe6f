import { deflateRawSync } from 'node:zlib';
import { textEncodingOf, type TextEncoding } from './charset/encode.js';
import type { DicomJson, DicomJsonElement } from './json.js';
import { transferSyntaxOf } from './transfer-syntax.js';
import { characterSetVrs } from './vr.js';
import { writeElements } from './write-elements.js';

export interface EncodeDatasetOptions {
  readonly transferSyntaxUid: string;
  /**
   * Specific Character Sets to write text in, the preferred one first: defined terms joined by a backslash, '' for the
   * default repertoire. The first that has all characters is taken, and ISO_IR 192 where none has. Default: ''.
   */
  readonly characterSets?: readonly string[];
}

export interface EncodedDataset {
  readonly bytes: Uint8Array;
  /** The one that was taken, as (0008,0005) of the dataset says; '' when it says nothing. */
  readonly characterSet: string;
}

/** Thrown when the character set lacks a character; never leaves this file. */
class LackingCharacterError extends Error {}

/**
 * A dataset as a message carries it (PS3.7 6.3.1): no preamble, no File Meta Information, in the transfer syntax of its
 * presentation context, and text in one Specific Character Set. Whatever (0008,0005) the DICOM JSON holds, also in
 * items, is replaced by the one taken. What text of the other VRs holds beyond ASCII is written as '?' (PS3.5 6.1.2.2).
 * Compressed transfer syntaxes are Explicit VR Little Endian (PS3.5 A.4).
 * Thrown when a value does not fit its VR, or an element has a bulk data URI only: DicomWriteError.
 */
export function encodeDataset(
  dataset: DicomJson,
  { transferSyntaxUid, characterSets = [''] }: EncodeDatasetOptions,
): EncodedDataset {
  const { deflated } = transferSyntaxOf(transferSyntaxUid);
  const plain = withoutCharacterSet(dataset);
  for (const characterSet of [...characterSets, 'ISO_IR 192']) {
    const encoding = textEncodingOf(characterSet);
    if (!encoding) continue;
    const bytes = write(plain, encoding, transferSyntaxUid);
    if (bytes) return { bytes: deflated ? deflate(bytes) : bytes, characterSet: encoding.characterSet };
  }
  throw new RangeError('Unicode has every character');
}

function write(dataset: DicomJson, encoding: TextEncoding, transferSyntaxUid: string): Uint8Array | undefined {
  const { implicitVr, bigEndian } = transferSyntaxOf(transferSyntaxUid);
  const text = (value: string, vr: string): Uint8Array => {
    if (!characterSetVrs.has(vr)) return Buffer.from(value.replace(/[^\x00-\x7f]/gu, '?'), 'latin1');
    const bytes = encoding.encode(value, vr);
    if (!bytes) throw new LackingCharacterError();
    return bytes;
  };
  const declared: DicomJson =
    encoding.characterSet === ''
      ? dataset
      : { ...dataset, '00080005': { vr: 'CS', Value: encoding.characterSet.split('\\') } };
  try {
    return writeElements(declared, { implicitVr, bigEndian, anyUid: true, text });
  } catch (error) {
    if (error instanceof LackingCharacterError) return undefined;
    throw error;
  }
}

/** PS3.5 A.5: a deflated dataset of an odd length ends with one NUL. */
function deflate(bytes: Uint8Array): Uint8Array {
  const deflated = deflateRawSync(bytes);
  return (deflated.length & 1) === 0 ? deflated : Buffer.concat([deflated, Uint8Array.of(0)]);
}

function withoutCharacterSet(dataset: DicomJson): DicomJson {
  const plain: DicomJson = {};
  for (const [tag, element] of Object.entries(dataset)) {
    if (tag !== '00080005') plain[tag] = element.vr === 'SQ' ? plainSequence(element) : element;
  }
  return plain;
}

const plainSequence = ({ Value: items }: DicomJsonElement): DicomJsonElement =>
  items
    ? {
        vr: 'SQ',
        Value: items.map((item) =>
          typeof item === 'object' && item !== null ? withoutCharacterSet(item as DicomJson) : item,
        ),
      }
    : { vr: 'SQ' };
