import type { DicomJson } from './json.js';
import { readCodeStream } from './pixels/codestream.js';

const startOfScan = 0xda;
const jpegLsFrame = 0xf7;
const dct: ReadonlySet<number> = new Set([0xc0, 0xc1, 0xc2]);

/**
 * The Image Pixel Description Macro (PS3.3 C.7.6.3.1) as the code stream of a frame has it: a sender of metadata and bulk
 * data may leave it to the receiver (PS3.18 10.5.1.4). What a code stream does not say, whether little numbers are dark, is
 * said as every decoder takes it: MONOCHROME2.
 * @param encoded the first bytes of a frame, with all its header
 * @returns undefined where that is no code stream of one or three components of up to 16 bits
 */
export function imageAttributesOf(encoded: Uint8Array): DicomJson | undefined {
  const stream = readCodeStream(encoded);
  const more = stream && (encoded[0] === 0xff && encoded[1] === 0xd8 ? ofJpeg(encoded) : ofJpeg2000(encoded));
  if (!stream || !more || stream.precision > 16) return undefined;
  const { rows, columns, components, precision } = stream;
  if (components !== 1 && components !== 3) return undefined;
  const photometric = components === 1 ? 'MONOCHROME2' : stream.colour === 'RGB' ? 'RGB' : more.photometric;
  const us = (value: number) => ({ vr: 'US', Value: [value] });
  return {
    '00280002': us(components),
    '00280004': { vr: 'CS', Value: [photometric] },
    // As decoders give it; of one sample there is none.
    ...(components === 3 ? { '00280006': us(0) } : {}),
    '00280010': us(rows),
    '00280011': us(columns),
    '00280100': us(precision > 8 ? 16 : 8),
    '00280101': us(precision),
    '00280102': us(precision - 1),
    '00280103': us(more.isSigned ? 1 : 0),
  };
}

interface Colour {
  /** Of three components. */
  readonly photometric: string;
  readonly isSigned: boolean;
}

/**
 * Three components of DCT are YCbCr unless an Adobe marker says otherwise, which `readCodeStream` reads; with fewer samples
 * of the chroma they are YBR_FULL_422 (PS3.5 8.2.1). Lossless processes and JPEG-LS (T.87) transform nothing.
 */
function ofJpeg(encoded: Uint8Array): Colour | undefined {
  const unsigned = { isSigned: false };
  for (let at = 2; at + 4 <= encoded.length;) {
    if (encoded[at] === 0xff && encoded[at + 1] === 0xff) {
      at++;
      continue;
    }
    const code = encoded[at + 1] ?? 0;
    const length = ((encoded[at + 2] ?? 0) << 8) | (encoded[at + 3] ?? 0);
    if (dct.has(code)) {
      // A component has its identifier, its sampling factors and its table: three bytes from the tenth on (T.81 B.2.2).
      const [luma, chroma] = [encoded[at + 11] ?? 0, encoded[at + 14] ?? 0];
      return { ...unsigned, photometric: luma === chroma ? 'YBR_FULL' : 'YBR_FULL_422' };
    }
    if (code === jpegLsFrame || (code >= 0xc3 && code <= 0xcf && code !== 0xc4))
      return { ...unsigned, photometric: 'RGB' };
    if (code === startOfScan || length < 2) return undefined;
    at += 2 + length;
  }
  return undefined;
}

/** T.800 A.5.1 (SIZ: sign of the first component) and A.6.1 (COD: component transform, wavelet). */
function ofJpeg2000(encoded: Uint8Array): Colour | undefined {
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  try {
    if (view.getUint32(0) !== 0xff4fff51) return undefined;
    const siz = 4;
    const isSigned = (view.getUint8(siz + 38) & 0x80) !== 0;
    for (let at = siz + view.getUint16(siz); ;) {
      const marker = view.getUint16(at);
      if (marker === 0xff52) {
        const isTransformed = view.getUint8(at + 8) === 1;
        const isReversible = view.getUint8(at + 13) === 1;
        return { isSigned, photometric: isTransformed ? (isReversible ? 'YBR_RCT' : 'YBR_ICT') : 'RGB' };
      }
      if (marker === 0xff90 || marker === 0xff93) return undefined;
      at += 2 + view.getUint16(at + 2);
    }
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
