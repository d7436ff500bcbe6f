import { readCodeStream } from './pixels/codestream.js';
import { RLELossless } from './transfer-syntax.js';

const startOfScan = 0xda;
const jpeg = (last: number): string => `1.2.840.10008.1.2.4.${String(last)}`;

/** Syntaxes whose code streams have a header that says which they are of. */
const ofT81 = [50, 51, 57, 70, 80, 81].map(jpeg);
const ofT800 = [90, 91, 92, 93, 201, 202, 203].map(jpeg);
const jpegXl = [110, 111, 112].map(jpeg);

/**
 * The transfer syntax that a code stream is of, by its own header, where nobody says it: JPEG (PS3.5 A.4.1), JPEG-LS
 * (A.4.3), JPEG 2000 (A.4.4) and HTJ2K (A.4.12). A sender of `image/jpeg` means Baseline more often than the default of
 * PS3.18 Table 8.7.3-5, and pixels under the wrong syntax are pixels that nobody can read.
 * @param encoded its first bytes; headers end within a few KiB
 * @param among what the media type allows, the default first
 * @returns undefined when its header says nothing, or something else than all of these
 */
export function syntaxOfCodeStream(encoded: Uint8Array, among: readonly string[]): string | undefined {
  const found = readCodeStream(encoded);
  const candidates = found === undefined ? [] : syntaxesOf(encoded, found);
  return candidates.find((uid) => among.includes(uid));
}

/**
 * Whether what a frame begins with is a code stream of the transfer syntax (PS3.5 A.4), as far as its header says so. Of
 * video, and of a syntax whose streams are not known here, everything is.
 * @param head the first bytes of the frame
 * @param isWhole they are all of it
 * @returns undefined when they end before they say so
 */
export function isStreamOf(head: Uint8Array, transferSyntaxUid: string, isWhole: boolean): boolean | undefined {
  const untold = isWhole ? false : undefined;
  if (transferSyntaxUid === RLELossless) return head.length < rleHeaderBytes ? untold : isRle(head, isWhole);
  const signatures = signaturesOf(transferSyntaxUid);
  if (!signatures) return true;
  if (!signatures.some((signature) => signature.every((byte, i) => i >= head.length || byte === head[i]))) return false;
  if (jpegXl.includes(transferSyntaxUid)) return head.length < longestSignature ? untold : true;
  const found = readCodeStream(head);
  if (!found || (ofT81.includes(transferSyntaxUid) && !frameOf(head))) return untold;
  return [...syntaxesOf(head, found), ...takenFor(head)].includes(transferSyntaxUid);
}

/** Progressive DCT is of no syntax in use, and in the field under that of Baseline: what decodes the one decodes it too. */
const takenFor = (encoded: Uint8Array): readonly string[] =>
  frameOf(encoded)?.marker === 0xc2 ? [50, 51].map(jpeg) : [];

const jp2Signature = [0, 0, 0, 0x0c, 0x6a];
const jpegXlFile = [0, 0, 0, 0x0c, 0x4a, 0x58, 0x4c];
const longestSignature = jpegXlFile.length;

function signaturesOf(transferSyntaxUid: string): readonly (readonly number[])[] | undefined {
  if (ofT81.includes(transferSyntaxUid)) return [[0xff, 0xd8]];
  if (ofT800.includes(transferSyntaxUid)) return [[0xff, 0x4f, 0xff, 0x51], jp2Signature];
  return jpegXl.includes(transferSyntaxUid) ? [[0xff, 0x0a], jpegXlFile] : undefined;
}

const rleHeaderBytes = 64;

/** The header of PS3.5 G.5: up to 15 segments, one behind the other. */
function isRle(head: Uint8Array, isWhole: boolean): boolean {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const segments = view.getUint32(0, true);
  if (segments < 1 || segments > 15) return false;
  let before = rleHeaderBytes;
  for (let segment = 0; segment < segments; segment++) {
    const start = view.getUint32(4 + 4 * segment, true);
    if (start < before || (isWhole && start > head.length)) return false;
    before = start;
  }
  return true;
}

/** Of a code stream, the narrowest first. */
function syntaxesOf(encoded: Uint8Array, { lossy, precision }: { lossy: boolean; precision: number }): string[] {
  if (encoded[0] !== 0xff || encoded[1] !== 0xd8) {
    // 201 and 202 differ in how the stream is ordered; 203 and 91 hold lossless ones too.
    if (isHighThroughput(encoded)) return (lossy ? [203] : [201, 202, 203]).map(jpeg);
    return (lossy ? [91, 93] : [90, 92, 91, 93]).map(jpeg);
  }
  const { marker, predictor } = frameOf(encoded) ?? {};
  if (marker === 0xf7) return (lossy ? [81] : [80, 81]).map(jpeg);
  if (marker === 0xc3) return (predictor === 1 ? [70, 57] : [57]).map(jpeg);
  // Process 1 is sequential DCT of 8 bits, 2 and 4 are extended, whose decoders take it too (T.81 F); libjpeg marks some
  // of 8 bits as extended. Progressive ones are of syntaxes long retired.
  if (marker === 0xc0) return [50, 51].map(jpeg);
  if (marker !== 0xc1 || precision > 12) return [];
  return (precision === 8 ? [51, 50] : [51]).map(jpeg);
}

/** True of a JPEG 2000 code stream with the extended capabilities of HTJ2K (T.814 A.3), which CAP behind SIZ says. */
function isHighThroughput(encoded: Uint8Array): boolean {
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  const siz = bytes.indexOf('ff4fff51', 0, 'hex') + 2;
  for (let at = siz + 2 + bytes.readUInt16BE(siz + 2); at + 4 <= bytes.length;) {
    const marker = bytes.readUInt16BE(at);
    if (marker === 0xff50) return true;
    if (marker === 0xff90 || marker === 0xff93) return false;
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  return false;
}

/**
 * The frame header's marker (T.81 B.2.2), and what the first scan predicts with where it is lossless (B.2.3).
 * @returns undefined where the bytes end before that is said
 */
function frameOf(encoded: Uint8Array): { marker: number; predictor: number } | undefined {
  let marker = 0;
  for (let at = 2; at + 4 <= encoded.length;) {
    if (encoded[at] === 0xff && encoded[at + 1] === 0xff) {
      at++;
      continue;
    }
    const code = encoded[at + 1] ?? 0;
    // Markers that stand alone have no length (T.81 B.1.1.3).
    if (code === 0x01 || (code >= 0xd0 && code <= 0xd7)) {
      at += 2;
      continue;
    }
    const length = ((encoded[at + 2] ?? 0) << 8) | (encoded[at + 3] ?? 0);
    const isFrame = (code >= 0xc0 && code <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(code)) || code === 0xf7;
    if (isFrame) marker = code;
    if (code === startOfScan) {
      const components = encoded[at + 4];
      const predictor = components === undefined ? undefined : encoded[at + 5 + 2 * components];
      return predictor === undefined ? undefined : { marker, predictor };
    }
    if (length < 2) return { marker: 0, predictor: 0 };
    at += 2 + length;
  }
  return undefined;
}
