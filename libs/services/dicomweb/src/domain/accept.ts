import { isEncapsulated } from '@callosum/dicom';

import { NotAcceptableError } from './errors.js';
import { type MediaType, parseMediaTypes } from './media-type.js';

/** What the client takes, best first (PS3.18 8.7.5). */
export interface Accepted {
  readonly type: string;
  /** Of the root part, when `type` is multipart/related. */
  readonly partType: string | undefined;
  /** A transfer syntax UID, "*" for as stored, or undefined for the default. */
  readonly transferSyntax: string | undefined;
}

/** True when DICOM JSON is taken, under its own name or that of JSON (PS3.18 8.7.3.2). */
export const takesDicomJson = (accepted: readonly Accepted[]): boolean =>
  accepted.some(({ type }) => type === 'application/json' || matches(type, 'application/dicom+json'));

/** No header accepts anything. The `accept` query parameter, where given, comes first (PS3.18 8.3.3.1). */
export function readAccept(header: string | undefined, query: string | undefined): Accepted[] {
  const text = [query, header].filter((part) => part !== undefined && part !== '').join(',');
  const types =
    text === '' ? [{ type: '*/*', parameters: new Map(), quality: 1 } satisfies MediaType] : parseMediaTypes(text);
  return types
    .filter(({ quality }) => quality > 0)
    .map((media, index) => ({ media, index }))
    .sort((a, b) => b.media.quality - a.media.quality || a.index - b.index)
    .map(({ media: { type, parameters } }) => ({
      type,
      partType: parameters.get('type')?.toLowerCase(),
      transferSyntax: parameters.get('transfer-syntax'),
    }));
}

const explicitVrLittleEndian = '1.2.840.10008.1.2.1';

export interface InstanceChoice {
  readonly transferSyntaxUid: string;
  readonly multipart: boolean;
}

/**
 * The syntaxes an instance may leave in, the client's best first (PS3.18 8.7.3.5.2). `transfer-syntax=*` is the stored
 * one; without the parameter Explicit VR Little Endian is meant. Whether it can be had in them is not asked here.
 * @param several more than one instance is answered, which only multipart/related can hold
 * @throws {NotAcceptableError} when no form of answer is accepted
 */
export function instanceChoices(
  accepted: readonly Accepted[],
  storedSyntax: string,
  several: boolean,
): readonly InstanceChoice[] {
  const choices = accepted.flatMap((choice): InstanceChoice[] => {
    const multipart =
      choice.type === 'multipart/related' &&
      (choice.partType === undefined || matches(choice.partType, 'application/dicom'));
    const single = choice.type === 'application/dicom';
    if (!multipart && !(single && !several) && choice.type !== '*/*') return [];
    const asked = choice.transferSyntax ?? explicitVrLittleEndian;
    return [{ transferSyntaxUid: asked === '*' ? storedSyntax : asked, multipart: !single }];
  });
  if (choices.length === 0) throw instanceNotAcceptable(storedSyntax);
  return choices;
}

export const instanceNotAcceptable = (storedSyntax: string): NotAcceptableError =>
  new NotAcceptableError(
    `instances are given as multipart/related; type="application/dicom" (one also as application/dicom); this one is stored in ` +
      `transfer syntax ${storedSyntax} and cannot be given in those asked for: ask with transfer-syntax=* for it as it is`,
  );

/** Media type of one frame of each encapsulated syntax (PS3.18 Table 8.7.3-5 and 8.7.3-6). */
const frameTypes = new Map<string, string>([
  ['1.2.840.10008.1.2.4.50', 'image/jpeg'],
  ['1.2.840.10008.1.2.4.51', 'image/jpeg'],
  ['1.2.840.10008.1.2.4.57', 'image/jpeg'],
  ['1.2.840.10008.1.2.4.70', 'image/jpeg'],
  ['1.2.840.10008.1.2.4.80', 'image/jls'],
  ['1.2.840.10008.1.2.4.81', 'image/jls'],
  ['1.2.840.10008.1.2.4.90', 'image/jp2'],
  ['1.2.840.10008.1.2.4.91', 'image/jp2'],
  ['1.2.840.10008.1.2.4.201', 'image/jphc'],
  ['1.2.840.10008.1.2.4.202', 'image/jphc'],
  ['1.2.840.10008.1.2.4.203', 'image/jphc'],
  ['1.2.840.10008.1.2.4.110', 'image/jxl'],
  ['1.2.840.10008.1.2.4.111', 'image/jxl'],
  ['1.2.840.10008.1.2.4.112', 'image/jxl'],
  ['1.2.840.10008.1.2.5', 'image/dicom-rle'],
  ['1.2.840.10008.1.2.4.100', 'video/mpeg2'],
  ['1.2.840.10008.1.2.4.102', 'video/mp4'],
]);
const octetStream = 'application/octet-stream';

export interface FrameForm {
  /** Media type of a part, with its transfer-syntax parameter. */
  readonly contentType: string;
  readonly multipart: boolean;
}

/**
 * Picks the media type of frames or Pixel Data bulk data. Native pixels leave as octets, encapsulated ones in the
 * type of their stored syntax; a client that asks for octets without saying a syntax gets no compressed bytes.
 * @throws {NotAcceptableError}
 */
export function chooseFrameForm(accepted: readonly Accepted[], storedSyntax: string): FrameForm {
  const compressed = frameTypes.get(storedSyntax);
  const storedType = isEncapsulated(storedSyntax) ? (compressed ?? octetStream) : octetStream;
  const syntax = isEncapsulated(storedSyntax) ? storedSyntax : explicitVrLittleEndian;
  const contentType = `${storedType}; transfer-syntax=${syntax}`;
  for (const { type, partType, transferSyntax } of accepted) {
    const multipart = type === 'multipart/related';
    const wanted = multipart ? (partType ?? '*/*') : type;
    const anySyntax = transferSyntax === '*' || transferSyntax === syntax;
    const octetsAsStored = wanted === octetStream && (anySyntax || storedType === octetStream);
    if (!matches(wanted, storedType) && !octetsAsStored) continue;
    if (transferSyntax !== undefined && !anySyntax) continue;
    return { contentType, multipart: multipart || type === '*/*' };
  }
  throw new NotAcceptableError(`the pixels are stored in transfer syntax ${storedSyntax}, as ${storedType}`);
}

/** True for the type itself, its family ("image/*") and "*\/*". */
function matches(range: string, type: string): boolean {
  return range === '*/*' || range === type || (range.endsWith('/*') && type.startsWith(range.slice(0, -1)));
}
