import { constants, deflateRawSync } from 'node:zlib';

import { writeDataset, writeFileMeta } from '@callosum/dicom';
import { nameUid } from '@callosum/kernel';
import { mebi } from '@callosum/stack';

/** An object that costs far more to read than to send. It has the UIDs that every object needs: only its cost is wrong. */
export interface HostileFile {
  readonly bytes: Buffer;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
}

const ctImageStorage = '1.2.840.10008.5.1.4.1.1.2';
const explicitVrLittleEndian = '1.2.840.10008.1.2.1';
const deflatedExplicitVrLittleEndian = '1.2.840.10008.1.2.1.99';

function fileOf(name: string, transferSyntaxUid: string, dataset: (uids: Uint8Array) => Uint8Array): HostileFile {
  const uid = (what: string): string => nameUid('hostile', name, what);
  const [studyInstanceUid, seriesInstanceUid, sopInstanceUid] = [uid('study'), uid('series'), uid('instance')];
  const uids = writeDataset({
    '00080016': { vr: 'UI', Value: [ctImageStorage] },
    '00080018': { vr: 'UI', Value: [sopInstanceUid] },
    '0020000D': { vr: 'UI', Value: [studyInstanceUid] },
    '0020000E': { vr: 'UI', Value: [seriesInstanceUid] },
  });
  const meta = writeFileMeta({
    sopClassUid: ctImageStorage,
    sopInstanceUid,
    transferSyntaxUid,
    implementationClassUid: '1.2.3',
  });
  return { bytes: Buffer.concat([meta, dataset(uids)]), studyInstanceUid, seriesInstanceUid, sopInstanceUid };
}

/** Ends at a byte, without an end of the stream (RFC 1951): another may follow. */
const deflated = (bytes: Uint8Array): Buffer => deflateRawSync(bytes, { finishFlush: constants.Z_FULL_FLUSH });
const deflatedEnd = Buffer.from([0x03, 0x00]);

/** A deflated object with one value of so many mebibytes of zeros, a thousandth of that long. */
export function deflateBomb(name: string, mebibytes: number): HostileFile {
  // (0021,0010) LO, and the head of (0021,1010) OB.
  const head = Buffer.from('210010004c4f0400424f4d42210010104f42000000000000', 'hex');
  head.writeUInt32LE(mebibytes * mebi, head.length - 4);
  const zeros = deflated(Buffer.alloc(mebi));
  return fileOf(name, deflatedExplicitVrLittleEndian, (uids) =>
    Buffer.concat([
      deflated(Buffer.concat([uids, head])),
      ...Array.from({ length: mebibytes }, () => zeros),
      deflatedEnd,
    ]),
  );
}

/** An object of so many sequences in each other, all of undefined length and all closed. */
export function nestedSequences(name: string, depth: number): HostileFile {
  // (0040,A730) SQ and an item; the item's delimiter and the sequence's.
  const open = Buffer.from('400030a753510000fffffffffeff00e0ffffffff', 'hex');
  const close = Buffer.from('feff0de000000000feffdde000000000', 'hex');
  const times = (bytes: Buffer): Buffer[] => Array.from({ length: depth }, () => bytes);
  return fileOf(name, explicitVrLittleEndian, (uids) => Buffer.concat([uids, ...times(open), ...times(close)]));
}
