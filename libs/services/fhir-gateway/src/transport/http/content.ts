import { FhirError } from '../../domain/fhir-error.js';

const jsonTypes = new Set(['application/fhir+json', 'application/json', 'application/json+fhir', 'text/json']);

/** Media type of a Content-Type or Accept part, without parameters. */
const mediaType = (text: string): string => (text.split(';', 1)[0] ?? '').trim().toLowerCase();

/** @throws {FhirError} 415 unless it is FHIR JSON of R4 */
export function requireJson(contentType: string | undefined): void {
  if (!contentType || !jsonTypes.has(mediaType(contentType)))
    throw new FhirError(415, 'not-supported', 'a body must be application/fhir+json');
  checkVersion(contentType, 415);
}

/** @throws {FhirError} 406 when the caller takes no JSON (R4 http, 3.1.0.1.9); `_format` goes before Accept */
export function requireJsonAccepted(accept: string | undefined, format: string | null): void {
  if (format !== null) {
    if (format !== 'json' && !jsonTypes.has(mediaType(format.replaceAll(' ', '+'))))
      throw new FhirError(406, 'not-supported', 'this server answers JSON only');
    return;
  }
  if (accept === undefined || accept.trim() === '') return;
  const parts = accept.split(',');
  const fitting = parts.find(
    (part) => jsonTypes.has(mediaType(part)) || ['*/*', 'application/*'].includes(mediaType(part)),
  );
  if (!fitting) throw new FhirError(406, 'not-supported', 'this server answers JSON only');
  checkVersion(fitting, 406);
}

function checkVersion(text: string, status: number): void {
  const version = /fhirVersion\s*=\s*"?([0-9.]+)/i.exec(text)?.[1];
  if (version !== undefined && version !== '4.0')
    throw new FhirError(status, 'not-supported', 'this server speaks FHIR 4.0');
}
