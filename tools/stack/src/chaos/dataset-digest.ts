import { createHash } from 'node:crypto';

/** Preamble, "DICM", and the element File Meta Information Group Length (PS3.10 section 7.1). */
const groupLengthValueOffset = 132 + 8;
const groupLengthEnd = groupLengthValueOffset + 4;

/** Lower-case hex SHA-256 of a PS3.10 file after its file meta information, which each receiver writes itself. */
export function datasetDigest(file: Uint8Array): string {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const begin = groupLengthEnd + view.getUint32(groupLengthValueOffset, true);
  return createHash('sha256').update(file.subarray(begin)).digest('hex');
}
