import { DicomDataset, tagOf, toDicomJson } from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { identityOf } from './record.js';

/** A dataset of texts in the bytes they would be sent in. */
function datasetIn(characterSet: string, texts: Readonly<Record<string, string>>, encoding: BufferEncoding = 'latin1') {
  const vrs: Readonly<Record<string, string>> = { PatientName: 'PN', PatientBirthDate: 'DA', PatientSex: 'CS' };
  const elements = Object.entries(texts).map(([keyword, text]) => {
    const value = Buffer.from(text, encoding);
    const tag = tagOf(keyword);
    return [tag, { tag, vr: vrs[keyword] ?? 'LO', value, range: { offset: 0, byteCount: value.length } }] as const;
  });
  return new DicomDataset(new Map(elements), characterSet);
}

const sent = (...of: Parameters<typeof datasetIn>) => identityOf(datasetIn(...of));

describe('whose an instance says it is', () => {
  it.each([
    ['', 'DOE^JANE', 'DOE^JANE'],
    ['ISO_IR 100', 'M\xdcLLER^ANNA', 'MÜLLER^ANNA'],
    ['iso-ir 100', 'M\xdcLLER^ANNA', 'MÜLLER^ANNA'],
    ['\\ISO 2022 IR 87', 'Yamada=\x1b$B;3ED\x1b(B', 'Yamada=山田'],
    // Plain letters are the same in every character set, also in one nobody knows.
    ['ISO_IR 9999', 'DOE^JANE', 'DOE^JANE'],
    ['ISO_IR 9999', 'M\xdcLLER^ANNA', 'M\uFFFDLLER^ANNA'],
    ['ISO_IR 100\\ISO 2022 IR 9999', 'Yamada=\x1b$Z;3ED^\x1b$ZB@', 'Yamada=\uFFFD^\uFFFD'],
  ])('in the character set %j is no guess: %j', (characterSet, name, expected) => {
    expect(sent(characterSet, { PatientName: name }).patientName).toBe(expected);
  });

  it('is not what its metadata guess, by which nothing is decided', () => {
    const dataset = datasetIn('ISO_IR 9999', { PatientName: 'M\xdcLLER^ANNA' });
    expect(toDicomJson(dataset)['00100010']?.Value).toEqual([{ Alphabetic: 'MÜLLER^ANNA' }]);
    expect(identityOf(dataset).patientName).toBe('M\uFFFDLLER^ANNA');
  });

  it('holds no identifier that another one would become, too', () => {
    const ids = (patientId: string, set = '') => sent(set, { PatientID: patientId, IssuerOfPatientID: patientId });
    for (const odd of ['NUL\0ID', 'TAB\tID', 'ID\n', '\x1bID', 'DEL\x7fID']) {
      expect(ids(odd)).toMatchObject({
        patientId: expect.stringContaining('\uFFFD') as string,
        issuerOfPatientId: expect.stringContaining('\uFFFD') as string,
      });
    }
    expect(ids('ID\xdc', 'ISO_IR 9999').patientId).toBe('ID\uFFFD');
    expect(ids('ID\xdc', 'ISO_IR 100').patientId).toBe('IDÜ');
    // Padding is none of it.
    expect(ids(' ID 7 \0').patientId).toBe('ID 7');
  });
});
