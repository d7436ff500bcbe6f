/** What the header of a JPEG, JPEG-LS or JPEG 2000 code stream says of its samples. */
export interface CodeStream {
  readonly columns: number;
  readonly rows: number;
  readonly components: number;
  /** Bits of a sample. */
  readonly precision: number;
  /** Samples lie plane after plane in what a decoder gives: JPEG-LS with one scan a component. */
  readonly byPlane: boolean;
  /** Information was lost when it was made: DCT, NEAR above 0, irreversible wavelet. */
  readonly lossy: boolean;
  /** What the three components of a lossy JPEG say of themselves, whatever the dataset calls them. */
  readonly colour?: 'RGB' | 'YBR_FULL';
}

/**
 * Reads the header of a code stream: JPEG (ITU-T T.81 B.2), JPEG-LS (T.87 C.2), JPEG 2000 and HTJ2K (T.800 A.5, A.6),
 * these also inside a JP2 file.
 * @param encoded its first bytes; headers end within a few KiB
 * @returns undefined when it is none of them, or the bytes end before the header says enough, or it is longer than any
 */
export function readCodeStream(encoded: Uint8Array): CodeStream | undefined {
  const head = encoded.subarray(0, headBytesMax);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (view.byteLength < 12) return undefined;
  try {
    if (view.getUint16(0) === 0xffd8) return readJpeg(view);
    const start = view.getUint32(0) === 0xff4fff51 ? 0 : jp2CodeStream(head);
    return start === undefined ? undefined : readJpeg2000(view, start);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/**
 * Profiles and thumbnails of writers included. What follows may be hundreds of megabytes, of which each byte could pass for
 * a marker or fill: nobody else would have a turn while it is read.
 */
const headBytesMax = 2 * 1024 * 1024;

/** True where a code stream of any of these, or of JPEG XL, may begin: 0xFF and one marker, or a file signature. */
export function startsCodeStream(bytes: Uint8Array): boolean {
  const [a, b, c, d] = bytes;
  if (a === 0xff) return (b === 0xd8 && c === 0xff) || (b === 0x4f && c === 0xff && d === 0x51) || b === 0x0a;
  return a === 0 && b === 0 && c === 0 && d === 0x0c && (bytes[4] === 0x6a || bytes[4] === 0x4a);
}

const baselineToProgressive: ReadonlySet<number> = new Set([0xc0, 0xc1, 0xc2, 0xc5, 0xc6, 0xc9, 0xca, 0xcd, 0xce]);
const lossless: ReadonlySet<number> = new Set([0xc3, 0xc7, 0xcb, 0xcf]);
const jpegLsFrame = 0xf7;
const startOfScan = 0xda;
const app0 = 0xe0;
const app14 = 0xee;

function readJpeg(view: DataView): CodeStream | undefined {
  let frame: Omit<CodeStream, 'byPlane' | 'lossy'> | undefined;
  let marker = 0;
  let isJfif = false;
  let adobeTransform: number | undefined;
  for (let at = 2; ;) {
    // Any number of fill bytes may stand before a marker.
    while (view.getUint8(at) === 0xff) at++;
    const code = view.getUint8(at++);
    // Markers that stand alone have no length (T.81 B.1.1.3, Table B.1: TEM, RSTm).
    if (code === 0x01 || (code >= 0xd0 && code <= 0xd7)) continue;
    const length = view.getUint16(at);
    if (baselineToProgressive.has(code) || lossless.has(code) || code === jpegLsFrame) {
      marker = code;
      frame = {
        precision: view.getUint8(at + 2),
        rows: view.getUint16(at + 3),
        columns: view.getUint16(at + 5),
        components: view.getUint8(at + 7),
      };
    }
    // JFIF is YCbCr (T.871 7); an Adobe marker says whether its components were transformed (T.872 6.5.3).
    if (code === app0 && startsWith(view, at + 2, 'JFIF')) isJfif = true;
    if (code === app14 && startsWith(view, at + 2, 'Adobe')) adobeTransform = view.getUint8(at + 13);
    if (code === startOfScan) {
      if (!frame) return undefined;
      if (marker !== jpegLsFrame) {
        const lossy = baselineToProgressive.has(marker);
        const isMarked = lossy && frame.components === 3 && (isJfif || adobeTransform !== undefined);
        const colour: 'RGB' | 'YBR_FULL' = isJfif || adobeTransform !== 0 ? 'YBR_FULL' : 'RGB';
        return { ...frame, byPlane: false, lossy, ...(isMarked ? { colour } : {}) };
      }
      const parameters = at + 3 + 2 * view.getUint8(at + 2);
      const byPlane = frame.components > 1 && view.getUint8(parameters + 1) === 0;
      return { ...frame, byPlane, lossy: view.getUint8(parameters) > 0 };
    }
    at += length;
  }
}

const startsWith = (view: DataView, at: number, text: string): boolean =>
  Array.from(text).every((letter, i) => view.getUint8(at + i) === letter.charCodeAt(0));

function readJpeg2000(view: DataView, start: number): CodeStream | undefined {
  // SIZ comes right after SOC; its lengths and positions are of the reference grid (T.800 A.5.1).
  const siz = start + 4;
  const size = {
    columns: view.getUint32(siz + 4) - view.getUint32(siz + 12),
    rows: view.getUint32(siz + 8) - view.getUint32(siz + 16),
    components: view.getUint16(siz + 36),
    precision: (view.getUint8(siz + 38) & 0x7f) + 1,
  };
  for (let at = siz + view.getUint16(siz); ;) {
    const marker = view.getUint16(at);
    if (marker === 0xff90 || marker === 0xff93) return undefined;
    // COD: style, progression, layers, component transform, levels, block size and style, then the wavelet (1: 5-3).
    if (marker === 0xff52) return { ...size, byPlane: false, lossy: view.getUint8(at + 13) === 0 };
    at += 2 + view.getUint16(at + 2);
  }
}

/** Where the code stream begins in a JP2 file, which some writers put into Pixel Data whole. */
function jp2CodeStream(encoded: Uint8Array): number | undefined {
  const [a, b, c, d, e] = encoded;
  if (a !== 0 || b !== 0 || c !== 0 || d !== 0x0c || e !== 0x6a) return undefined;
  const at = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength).indexOf('ff4fff51', 12, 'hex');
  return at < 0 ? undefined : at;
}
