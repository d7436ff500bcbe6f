import { UnsupportedMediaTypeError } from './errors/store.js';

/**
 * Bodies are taken as they are: DICOM has its own compression, and what is not undone would be taken for another object.
 * @param contentEncoding as the header says it (RFC 9110 8.4); '' for none
 * @throws {UnsupportedMediaTypeError}
 */
export function refuseEncoded(contentEncoding: string): void {
  const codings = contentEncoding.split(',').map((coding) => coding.trim().toLowerCase());
  if (codings.some((coding) => coding !== '' && coding !== 'identity'))
    throw new UnsupportedMediaTypeError('send bodies without a content coding');
}
