import { ExplicitVRLittleEndian, isEncapsulated, transferSyntaxOf } from '@callosum/dicom';

import { NotAcceptableError } from './errors/door.js';
import { type Accepted, isIn, isInRange, ranked, rankedOffers, type Representation } from './negotiate.js';
import { pdf } from './picture-choices.js';

const octetStream = 'application/octet-stream';
const anyType = '*/*';

/** Media types of one frame, each with its transfer syntaxes, the default one first (PS3.18 Table 8.7.3-5). */
export const syntaxesOfType: Readonly<Record<string, readonly string[]>> = {
  'image/jpeg': [
    '1.2.840.10008.1.2.4.70',
    '1.2.840.10008.1.2.4.50',
    '1.2.840.10008.1.2.4.51',
    '1.2.840.10008.1.2.4.57',
  ],
  'image/dicom-rle': ['1.2.840.10008.1.2.5'],
  'image/jls': ['1.2.840.10008.1.2.4.80', '1.2.840.10008.1.2.4.81'],
  'image/jp2': ['1.2.840.10008.1.2.4.90', '1.2.840.10008.1.2.4.91'],
  'image/jpx': ['1.2.840.10008.1.2.4.92', '1.2.840.10008.1.2.4.93'],
  'image/jphc': ['1.2.840.10008.1.2.4.201', '1.2.840.10008.1.2.4.202', '1.2.840.10008.1.2.4.203'],
  'image/jxl': ['1.2.840.10008.1.2.4.110', '1.2.840.10008.1.2.4.111', '1.2.840.10008.1.2.4.112'],
  'video/mpeg2': ['1.2.840.10008.1.2.4.100', '1.2.840.10008.1.2.4.101'],
  'video/mp4': [
    '1.2.840.10008.1.2.4.102',
    '1.2.840.10008.1.2.4.103',
    '1.2.840.10008.1.2.4.104',
    '1.2.840.10008.1.2.4.105',
    '1.2.840.10008.1.2.4.106',
  ],
  'video/h265': ['1.2.840.10008.1.2.4.107', '1.2.840.10008.1.2.4.108'],
};
/** Media types that frames leave in. */
export const frameMediaTypes: readonly string[] = [octetStream, ...Object.keys(syntaxesOfType)];
const typeOfSyntax: ReadonlyMap<string, string> = new Map(
  Object.entries(syntaxesOfType).flatMap(([type, uids]) => uids.map((uid) => [uid, type] as const)),
);
/** Names that clients learned before a type was registered. */
export const formerNames: Readonly<Record<string, string>> = {
  'image/x-jls': 'image/jls',
  'image/x-dicom-rle': 'image/dicom-rle',
  // As RFC 2046 registered it, and dcm4che says it of its parts.
  'video/mpeg': 'video/mpeg2',
};

/** A form of a frame; `type` is the name that the client gave it. */
export interface FrameChoice extends Representation {
  /** What a part says it is: never octets where they are compressed. */
  readonly mediaType: string;
  readonly transferSyntaxUid: string;
}

type Form = Omit<FrameChoice, 'multipart'>;

/**
 * The forms that a frame, or Pixel Data as bulk data, may leave in, the client's best first (PS3.18 8.7.3.3, 8.7.8). A
 * media type without `transfer-syntax` means its default syntax, "*\/*" octets in Explicit VR Little Endian (Table
 * 8.7.3-4); after those stands what is stored, where it is of that type, for what cannot be had otherwise (8.7.3). `*`
 * is what is stored. Whether a frame can be had in them is not asked here.
 * @param several more than one frame is answered, which only multipart/related can hold (10.4.4)
 * @returns none when no form is accepted
 */
export function frameChoices(
  accepted: readonly Accepted[],
  storedSyntax: string,
  several: boolean,
): readonly FrameChoice[] {
  const packagings = several ? [true] : [true, false];
  return ranked(accepted, (range) =>
    formsOf(range, storedSyntax).map((form) =>
      packagings.map((multipart) => ({ ...form, multipart })).filter((one) => isIn(range, one)),
    ),
  );
}

/** What a range means, best first. */
function formsOf(range: Accepted, storedSyntax: string): readonly Form[] {
  const isMultipart = range.type === 'multipart/related' || range.type === 'multipart/*';
  const wanted = isMultipart ? (range.partType ?? anyType) : range.type;
  const stored = formAsStored(storedSyntax);
  if (wanted.endsWith('/*')) return formsOfWildcard(wanted, range.transferSyntax, stored);
  if (wanted === octetStream) return formsOfOctets(range.transferSyntax, stored);
  const type = formerNames[wanted] ?? wanted;
  const syntaxes = syntaxesOfType[type];
  return syntaxes ? formsOfType(wanted, type, syntaxes, range.transferSyntax, stored) : [];
}

const octets: Form = {
  type: octetStream,
  mediaType: octetStream,
  transferSyntaxUid: ExplicitVRLittleEndian,
  isDefaultSyntax: true,
};

/** Native pixels leave as octets; compressed ones in the type of their syntax, or where it has none as octets. */
function formAsStored(storedSyntax: string): Form {
  return isEncapsulated(storedSyntax) ? formIn(storedSyntax) : octets;
}

function formIn(uid: string): Form {
  const type = typeOfSyntax.get(uid) ?? octetStream;
  return { type, mediaType: type, transferSyntaxUid: uid, isDefaultSyntax: syntaxesOfType[type]?.[0] === uid };
}

function formsOfWildcard(wanted: string, asked: string | undefined, stored: Form): readonly Form[] {
  const forms = asked === undefined ? [octets, stored] : formsAsked(asked, stored);
  return forms.filter(({ type }) => isInRange(wanted, type));
}

/** Octets in a compressed syntax are named as what they are: who asks for them takes what there is. */
function formsOfOctets(asked: string | undefined, stored: Form): readonly Form[] {
  const forms = asked === undefined ? [octets] : formsAsked(asked, stored);
  return forms.map((form) => ({ ...form, type: octetStream, isDefaultSyntax: form === octets }));
}

/** By a transfer syntax, or "*". */
function formsAsked(asked: string, stored: Form): readonly Form[] {
  if (asked === '*' || asked === stored.transferSyntaxUid) return [stored];
  if (asked === ExplicitVRLittleEndian) return [octets];
  return typeOfSyntax.has(asked) ? [formIn(asked)] : [];
}

/**
 * @param wanted the name asked for
 * @param type the registered one of it
 */
function formsOfType(
  wanted: string,
  type: string,
  syntaxes: readonly string[],
  asked: string | undefined,
  stored: Form,
): readonly Form[] {
  const [first] = syntaxes;
  const isStored = stored.type === type;
  // Video is not made here, and what was lost is not lost again: both leave as they are (PS3.18 8.7.3).
  const storedFirst = asked === '*' || transferSyntaxOf(stored.transferSyntaxUid).lossy;
  const meant = ((): readonly (string | undefined)[] => {
    if (asked !== undefined && asked !== '*') return syntaxes.includes(asked) ? [asked] : [];
    if (!isStored) return type.startsWith('video/') ? [] : [first];
    return storedFirst ? [stored.transferSyntaxUid] : [first, stored.transferSyntaxUid];
  })();
  return [...new Set(meant)]
    .filter((uid) => uid !== undefined)
    .map((uid) => ({ ...formIn(uid), type: wanted, mediaType: wanted }));
}

const documentForm: Form = { ...octets, type: pdf, mediaType: pdf };

/**
 * The forms that a value other than Pixel Data may leave in, the client's best first (PS3.18 8.7.3.3): octets, and of an
 * encapsulated document also PDF, for who names that. Whether it is one is not asked here.
 * @returns none when no form is accepted
 */
export const valueChoices = (accepted: readonly Accepted[], isDocument: boolean): readonly FrameChoice[] =>
  rankedOffers(
    accepted,
    (isDocument ? [octets, documentForm] : [octets]).flatMap((form) =>
      [true, false].map((multipart) => ({ ...form, multipart })),
    ),
  );

/** Content-Type of a frame or value, or of the part with it (PS3.18 8.7.3.5.1). A document has no transfer syntax. */
export const contentTypeOf = ({ mediaType, transferSyntaxUid }: FrameChoice): string =>
  mediaType === pdf ? mediaType : `${mediaType}; transfer-syntax=${transferSyntaxUid}`;

/** The syntax that pixels leave in as they are stored: native ones little-endian, whatever VRs their dataset has. */
export const syntaxAsStored = (storedSyntax: string): string =>
  isEncapsulated(storedSyntax) ? storedSyntax : ExplicitVRLittleEndian;

/**
 * The same forms of pixels that are native though the object's transfer syntax, or one that is not known, says compressed:
 * as they are stored they are octets.
 */
export const choicesOfNative = (choices: readonly FrameChoice[], storedSyntax: string): readonly FrameChoice[] =>
  isEncapsulated(storedSyntax)
    ? choices.map((choice) =>
        choice.transferSyntaxUid === storedSyntax ? { ...choice, ...octets, type: choice.type } : choice,
      )
    : choices;

export const frameNotAcceptable = (storedSyntax: string): NotAcceptableError =>
  new NotAcceptableError(
    `the pixels are stored in transfer syntax ${storedSyntax}, as ${formAsStored(storedSyntax).mediaType}, and cannot be given ` +
      `without loss in what is asked for: ask for multipart/related; transfer-syntax=* for them as they are`,
  );

export const valueNotAcceptable = (isDocument: boolean): NotAcceptableError =>
  new NotAcceptableError(
    `the value is given as ${octetStream}${isDocument ? `, and as ${pdf} where it is a PDF that can be read out of the object` : ''}`,
  );
