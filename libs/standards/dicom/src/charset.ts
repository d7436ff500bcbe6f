import { convertBytes } from 'dicom-character-set';

import { characterSetTerms, isCodeExtended, knowLatin9 } from './charset/terms.js';
import { characterSetVrs } from './vr.js';

knowLatin9();

/** ISO 8859-1 proper; TextDecoder means windows-1252 by that name. */
const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
const utf8Strict = new TextDecoder('utf-8', { fatal: true });

/**
 * Text of a value. Never fails: a value in a character set that is unknown or broken is read as UTF-8 when it is
 * valid UTF-8, else as Latin-1, so that one bad name does not make a study unreadable.
 * @param characterSet values of (0008,0005) joined by a backslash; empty for the default repertoire
 */
export function decodeText(bytes: Uint8Array, vr: string, characterSet: string): string {
  if (isAscii(bytes)) return latin1(bytes);
  if (!characterSetVrs.has(vr) || characterSet.length === 0) return undeclared(bytes);
  if (characterSet === 'ISO_IR 192') return undeclared(bytes);
  try {
    return convertBytes(withAscii(characterSet), bytes, { vr });
  } catch {
    return undeclared(bytes);
  }
}

/**
 * True when text in this Specific Character Set can be read as its writer meant it. Of a term nobody defined (PS3.3
 * C.12.1.1.2) or that is not supported, only ASCII can: every repertoire begins with it (PS3.5 6.1.2.1).
 * @param characterSet values of (0008,0005) joined by a backslash; empty for the default repertoire
 */
export function isKnownCharacterSet(characterSet: string): boolean {
  if (characterSet.length === 0) return true;
  try {
    convertBytes(withAscii(characterSet), Uint8Array.of(0x41), { vr: 'PN' });
    return true;
  } catch {
    return false;
  }
}

/** With code extensions, writers switch back to ASCII (ESC ( B) whether or not they declared it. */
function withAscii(characterSet: string): string {
  const terms = characterSetTerms(characterSet);
  return isCodeExtended(terms) && !terms.includes('ISO 2022 IR 6')
    ? [...terms, 'ISO 2022 IR 6'].join('\\')
    : terms.join('\\');
}

/** ESC starts an ISO 2022 switch, so bytes with it are no plain ASCII. */
function isAscii(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte >= 0x80 || byte === 0x1b) return false;
  }
  return true;
}

function undeclared(bytes: Uint8Array): string {
  try {
    return utf8Strict.decode(bytes);
  } catch {
    return latin1(bytes);
  }
}
