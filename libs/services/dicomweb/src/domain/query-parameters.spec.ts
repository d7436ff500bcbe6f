import { describe, expect, it } from 'vitest';

import { BadRequestError } from './errors/door.js';
import { parametersOf } from './query-parameters.js';

describe('the encoding of a query', () => {
  it.each(['%FF', '%', '%2', '%zz', '%C3'])('is refused where it is none: %s', (value) => {
    expect(() => parametersOf(`/dicom-web/studies?PatientName=${value}`)).toThrow(BadRequestError);
  });

  it('is decoded', () => {
    const parameters = parametersOf('/dicom-web/studies?PatientName=M%C3%BCller+A%25');
    expect(parameters.get('PatientName')).toBe('Müller A%');
  });
});
