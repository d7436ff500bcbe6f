import { parseHeader, type ParsedHeader } from '@callosum/dicom';
import { rejectionNote, type RejectionNoteOptions } from '@callosum/phantom';
import { describe, expect, it } from 'vitest';

import { type RejectionNote, rejectionNoteOf } from './rejection-note.js';
import { recordOf } from './record.js';

const study = '1.2.3';
const first = { seriesInstanceUid: '1.2.3.1', sopInstanceUid: '1.2.3.1.1' };
const second = { seriesInstanceUid: '1.2.3.2', sopInstanceUid: '1.2.3.2.1' };
const stranger = { seriesInstanceUid: '1.9.1', sopInstanceUid: '1.9.1.1' };

function read(options: Partial<RejectionNoteOptions>, issuedByCallosum = false): RejectionNote | undefined {
  const { bytes, sopInstanceUid } = rejectionNote({ studyInstanceUid: study, references: [first, second], ...options });
  const header = parseHeader(bytes, { complete: true }) as ParsedHeader;
  const stored = {
    studyInstanceUid: study,
    seriesInstanceUid: header.dataset.string('SeriesInstanceUID') ?? '',
    sopInstanceUid,
    sopClassUid: header.dataset.string('SOPClassUID') ?? '',
    transferSyntaxUid: '1.2.840.10008.1.2.1',
    blob: { key: 'k', byteCount: bytes.length, sha256: '' },
    instanceRevision: 1,
    issuedByCallosum,
    source: 'CT1',
    associationId: '',
    storedAt: new Date(0),
  };
  return rejectionNoteOf(recordOf(header, stored, null));
}

describe('a Key Object Selection Document', () => {
  it.each(['113001', '113037', '113038', '113039'])('of title %s rejects what its evidence lists', (code) => {
    expect(read({ title: [code, 'any meaning'] })).toMatchObject({
      code,
      studyInstanceUid: study,
      patientId: 'TINY-0001',
      rejected: [first, second],
      elsewhere: 0,
    });
  });

  it('of another title rejects nothing: it is what somebody wants to be seen', () => {
    expect(read({ title: ['113000', 'Of Interest'] })).toBeUndefined();
    expect(read({ title: ['constructor', 'No code'] })).toBeUndefined();
  });

  it('rejects nothing of another study, and says so', () => {
    const note = read({ references: [first], elsewhere: { studyInstanceUid: '1.9', references: [stranger] } });
    expect(note).toMatchObject({ rejected: [first], elsewhere: 1 });
  });

  it('that Callosum made itself rejects nothing', () => {
    expect(read({}, true)).toBeUndefined();
  });
});
