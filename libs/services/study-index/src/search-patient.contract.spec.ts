import { imaging } from '@callosum/contracts';
import { expect, it } from 'vitest';

import { slice } from './test-support/objects.js';
import { find, send, useIndex } from './test-support/study-index.js';

useIndex();

it('a study is answered with the patient it is found by, also where its first instance says less', async () => {
  const anna = { PatientName: 'Müller^Anna', PatientID: 'P-7' };
  await send(slice('half', 'a', 1, anna));
  await send(slice('half', 'a', 2, { ...anna, IssuerOfPatientID: 'HOSPITAL' }));
  const keys = { '00100020': 'P-7', '00100021': 'HOSPITAL' };
  const [study, ...others] = await find({
    level: imaging.QueryLevel.QUERY_LEVEL_STUDY,
    onlyRequested: true,
    matches: Object.entries(keys).map(([tag, value]) => ({ tag, value })),
  });
  expect(others).toEqual([]);
  expect(study?.['00100021']?.Value).toEqual(['HOSPITAL']);
  expect(study?.['00100020']?.Value).toEqual(['P-7']);
});
