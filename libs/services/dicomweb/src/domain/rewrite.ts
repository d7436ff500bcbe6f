import type { DicomDataset, DicomElement, DicomJson, DicomJsonElement } from '@callosum/dicom';

/** The longest value a VR with a 16-bit length can have. */
const shortValueBytesMax = 0xfffe;
const longFormVrs = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);

/**
 * A dataset as `writeFile` takes it, every value as the very bytes it had (in little-endian order): text keeps its
 * character set, decimal strings every digit. Nothing passes through numbers, which would round positions.
 */
export function asWritten(dataset: DicomDataset): DicomJson {
  const json: DicomJson = {};
  for (const element of dataset) json[element.tag] = elementAsWritten(element);
  return json;
}

function elementAsWritten({ tag, vr, value, items }: DicomElement): DicomJsonElement {
  // File Meta Information is made of these two (PS3.10 7.1), and read from their values.
  if (tag === '00080016' || tag === '00080018') return { vr, Value: [uid(value)], bytes: value };
  if (vr === 'SQ') return { vr, Value: (items ?? []).map(asWritten) };
  // Implicit VR lengths have 32 bits; PS3.5 6.2.2 note 2 makes such a value UN.
  const fits = longFormVrs.has(vr) || value.length <= shortValueBytesMax;
  return { vr: fits ? vr : 'UN', bytes: value };
}

const uid = (value: Uint8Array): string =>
  Buffer.from(value)
    .toString('latin1')
    .replace(/[\0 ]+$/, '');
