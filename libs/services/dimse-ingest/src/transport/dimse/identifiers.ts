import {
  type DicomJson,
  DicomParseError,
  DicomWriteError,
  encodeDataset,
  parseDataset,
  toDicomJson,
} from '@callosum/dicom';
import { DimseStatusError, messageParseLimits, type StatedAnswer } from '@callosum/dimse';

import { tags } from '../../domain/query-model.js';

/** Real identifiers have some forty keys. */
export const identifierLimits = { ...messageParseLimits, elementsMax: 10_000 };

export interface ReadIdentifier {
  readonly dataset: DicomJson;
  /** Specific Character Set as it was sent: defined terms joined by a backslash, '' for the default repertoire. */
  readonly characterSet: string;
}

/** @throws {DimseStatusError} `unreadable`: nobody can read it */
export function readIdentifier(bytes: Buffer, transferSyntaxUid: string, unreadable: StatedAnswer): ReadIdentifier {
  try {
    const { dataset } = parseDataset(bytes, transferSyntaxUid, { limits: identifierLimits });
    const characterSet = dataset.strings(tags.specificCharacterSet).join('\\');
    return { dataset: toDicomJson(dataset), characterSet };
  } catch (cause) {
    if (!(cause instanceof DicomParseError)) throw cause;
    throw new DimseStatusError(unreadable.status, { comment: 'the identifier cannot be read' }, { cause });
  }
}

/**
 * A match in the character set of the request, where that has all characters, else in UTF-8 (PS3.4 section C.4.1.1.3.2). Who
 * names none may be of the time before Unicode, and reads Latin 1 more likely.
 * A stored value that its VR cannot hold is left empty: one bad object must not make the others unfindable.
 */
export function encodeMatch(dataset: DicomJson, transferSyntaxUid: string, characterSet: string): Buffer {
  const options = { transferSyntaxUid, characterSets: characterSet === '' ? ['', 'ISO_IR 100'] : [characterSet] };
  try {
    return asBuffer(encodeDataset(dataset, options).bytes);
  } catch (error) {
    if (!(error instanceof DicomWriteError)) throw error;
    return asBuffer(encodeDataset(writable(dataset, transferSyntaxUid), options).bytes);
  }
}

function writable(dataset: DicomJson, transferSyntaxUid: string): DicomJson {
  return Object.fromEntries(
    Object.entries(dataset).map(([tag, element]) => {
      try {
        encodeDataset({ [tag]: element }, { transferSyntaxUid });
        return [tag, element];
      } catch {
        return [tag, { vr: element.vr }];
      }
    }),
  );
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
