import { crc32 } from 'node:zlib';

import { cutAtBulkDataUris, dicomJsonText } from '@callosum/dicom';
import { deflatePiece, type DeflatedPiece } from '@callosum/gzip';

import { cleaned } from './clean-text.js';
import type { DicomJson } from './instance.js';

/** What the URIs of bulk data begin with. The base URL of the service, which only the door knows, belongs before it. */
export const bulkDataPath = '/dicom-web/';

/** An image has one bulk value or two, a waveform some dozens. */
const deflatedPiecesMax = 256;
/** A text of so many characters is deflated, however many there are: it is worth it. */
const deflatedMin = 1_024;

/**
 * Deflated text of metadata, cut where the base of a bulk data URI is to stand (docs/adr/0080). To deflate one takes some
 * 25 µs, however short it is: where there are more than anybody needs, short ones stay as they are.
 */
export function piecesOf(text: string): DeflatedPiece[] {
  const texts = cutAtBulkDataUris(text, bulkDataPath);
  const areFew = texts.length <= deflatedPiecesMax;
  return texts.map((one) => (areFew || one.length >= deflatedMin ? deflatePiece(one) : storedPiece(one)));
}

/** A text as a stored block (RFC 1951 3.2.4), which holds 65,535 bytes and ends at a byte as a full flush does. */
function storedPiece(text: string): DeflatedPiece {
  const bytes = Buffer.from(text);
  const head = Buffer.alloc(5);
  head.writeUInt16LE(bytes.length, 1);
  head.writeUInt16LE(bytes.length ^ 0xffff, 3);
  return { deflated: Buffer.concat([head, bytes]), crc32: crc32(bytes), byteCount: bytes.length };
}

/** Escapes of NUL and of lone surrogates; also a backslash before such letters, which is no harm. */
const unclean = /\\u(0000|d[89a-f])/;

/** JSON text of a dataset, UTF-8 and without what PostgreSQL cannot hold, so that it says the same as the column. */
export function metadataText(dataset: DicomJson): string {
  const text = dicomJsonText(dataset);
  return unclean.test(text) ? dicomJsonText(JSON.parse(JSON.stringify(dataset, cleaned)) as DicomJson) : text;
}
