import { ExplicitVRLittleEndian, isEncapsulated } from '@callosum/dicom';

import { UnsupportedTransferSyntaxError, UnusableMetadataError } from './errors/store.js';
import { formerNames, syntaxesOfType } from './frame-choices.js';
import { parseMediaTypes } from './media-type.js';

/** Pixel Data of the instance itself. */
export const pixelDataPath = '7FE00010';
/** Encapsulated Document, which comes in its own media type (PS3.18 10.5.1.4). */
export const documentPath = '00420011';

/** What a part with bulk data holds. */
export type BulkForm =
  /** The value as it stands in Explicit VR Little Endian (PS3.18 Table 8.7.3-4). */
  { readonly kind: 'octets' } | FrameForm;

/** One frame of Pixel Data, or a whole video, without fragment delimiters (Table 8.7.3-5). */
export interface FrameForm {
  readonly kind: 'frame';
  readonly syntaxes: readonly string[];
  readonly isVideo: boolean;
}

const octets: BulkForm = { kind: 'octets' };
const octetStream = 'application/octet-stream';

/**
 * @param contentType of the part; none is octets (RFC 2046 5.1.2 would say text, which no value is)
 * @param path which value it is, as `bulkReferencesOf` names it
 * @param documentType MIME Type of Encapsulated Document (0042,0012) of the instance
 * @throws {UnusableMetadataError} for a media type that this value does not come in, {UnsupportedTransferSyntaxError}
 */
export function bulkFormOf(contentType: string | undefined, path: string, documentType?: string): BulkForm {
  const [media] = parseMediaTypes(contentType ?? octetStream);
  const wanted = media?.type ?? octetStream;
  const type = formerNames[wanted] ?? wanted;
  const syntax = media?.parameters.get('transfer-syntax');
  if (path === documentPath && type === documentType?.trim().toLowerCase()) return octets;
  if (path === pixelDataPath) return pixelForm(type, syntax);
  if (type !== octetStream) throw new UnusableMetadataError(`bulk data other than Pixel Data comes as ${octetStream}`);
  if (syntax !== undefined && syntax !== ExplicitVRLittleEndian) throw new UnsupportedTransferSyntaxError(syntax);
  return octets;
}

function pixelForm(type: string, syntax: string | undefined): BulkForm {
  if (type === octetStream) {
    if (syntax === undefined || syntax === ExplicitVRLittleEndian) return octets;
    const [ofSyntax, syntaxes] = Object.entries(syntaxesOfType).find(([, uids]) => uids.includes(syntax)) ?? [];
    if (ofSyntax === undefined || !syntaxes || !isEncapsulated(syntax))
      throw new UnsupportedTransferSyntaxError(syntax);
    return frame(ofSyntax, [syntax]);
  }
  const syntaxes = syntaxesOfType[type];
  if (!syntaxes) throw new UnusableMetadataError(`Pixel Data does not come as ${type}`);
  if (syntax === undefined) return frame(type, syntaxes);
  if (!syntaxes.includes(syntax)) throw new UnsupportedTransferSyntaxError(syntax);
  return frame(type, [syntax]);
}

const frame = (type: string, syntaxes: readonly string[]): BulkForm => ({
  kind: 'frame',
  syntaxes,
  isVideo: type.startsWith('video/'),
});

/** Relative references are of the message itself, wherever that is (RFC 2557 5): only whether two are one counts. */
const nowhere = 'http://message.invalid/';
const uriCharsMax = 4_096;

/** A URI as one that compares equal with any other way to write it (RFC 3986 6.2.2); undefined for one that is too long. */
export function normalUri(uri: string): string | undefined {
  const text = uri.trim();
  if (text.length > uriCharsMax) return undefined;
  return URL.canParse(text, nowhere) ? new URL(text, nowhere).href : text;
}

/** The same of a reference in metadata. @throws {UnusableMetadataError} for one that is too long */
export function usableUri(uri: string): string {
  const normal = normalUri(uri);
  if (normal === undefined) throw new UnusableMetadataError('a bulk data URI is too long');
  return normal;
}
