import { readCodeStream } from './pixels/codestream.js';

const startOfScan = 0xda;

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

/** Of a code stream, the narrowest first. */
function syntaxesOf(encoded: Uint8Array, { lossy, precision }: { lossy: boolean; precision: number }): string[] {
  const jpeg = (last: number): string => `1.2.840.10008.1.2.4.${String(last)}`;
  if (encoded[0] !== 0xff || encoded[1] !== 0xd8)
    // 201 and 202 differ in how the stream is ordered; 203 and 91 hold lossless ones too.
    return lossy ? [jpeg(203), jpeg(91), jpeg(93)] : [jpeg(201), jpeg(90), jpeg(92), jpeg(203), jpeg(91)];
  const frame = frameOf(encoded);
  if (frame?.marker === 0xf7) return lossy ? [jpeg(81)] : [jpeg(80), jpeg(81)];
  if (!lossy) return frame?.predictor === 1 ? [jpeg(70), jpeg(57)] : [jpeg(57)];
  // Process 1 is sequential DCT of 8 bits, 2 and 4 are extended (T.81 F). Progressive ones are of syntaxes long retired.
  if (frame?.marker === 0xc0) return [jpeg(50)];
  return frame?.marker === 0xc1 && precision <= 12 ? [jpeg(51)] : [];
}

/** The frame header's marker (T.81 B.2.2), and what the first scan predicts with where it is lossless (B.2.3). */
function frameOf(encoded: Uint8Array): { marker: number; predictor: number } | undefined {
  let marker = 0;
  for (let at = 2; at + 4 <= encoded.length;) {
    if (encoded[at] === 0xff && encoded[at + 1] === 0xff) {
      at++;
      continue;
    }
    const code = encoded[at + 1] ?? 0;
    const length = ((encoded[at + 2] ?? 0) << 8) | (encoded[at + 3] ?? 0);
    const isFrame = (code >= 0xc0 && code <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(code)) || code === 0xf7;
    if (isFrame) marker = code;
    if (code === startOfScan) return { marker, predictor: encoded[at + 5 + 2 * (encoded[at + 4] ?? 0)] ?? 0 };
    if (length < 2) return undefined;
    at += 2 + length;
  }
  return undefined;
}
