import {
  ExplicitVRBigEndian,
  ExplicitVRLittleEndian,
  ImplicitVRLittleEndian,
  isEncapsulated,
  transferSyntaxes,
  transferSyntaxOf,
} from '@callosum/dicom';

import { NotAcceptableError } from './errors/door.js';
import { type Accepted, isIn, ranked, rankedOffers, type Representation } from './negotiate.js';

export { type Accepted, readAccept } from './negotiate.js';

/** A dataset or a list of them, as metadata or as a search answers. */
export interface DatasetChoice {
  readonly mediaType: 'application/dicom+json' | 'application/dicom+xml';
  /** One part a dataset; DICOM JSON is one array of all (PS3.18 10.4.4, note). */
  readonly multipart: boolean;
}

const datasets: readonly (Representation & DatasetChoice)[] = [
  { type: 'application/dicom+json', mediaType: 'application/dicom+json', multipart: false },
  { type: 'application/dicom+xml', mediaType: 'application/dicom+xml', multipart: true },
];
const oneDatasetInXml: Representation & DatasetChoice = {
  type: 'application/dicom+xml',
  mediaType: 'application/dicom+xml',
  multipart: false,
};
/** JSON of DICOM is JSON: who asks for that gets it (PS3.18 8.7.3.2). */
const asDicomJson = (range: Accepted): Accepted =>
  range.type === 'application/json' ? { ...range, type: 'application/dicom+json' } : range;

/**
 * The forms that metadata and search results may leave in, the client's best first (PS3.18 Table 10.4.4-1, 10.6.4): DICOM
 * JSON, which is the default, or XML in multipart/related.
 * @param several more than one dataset may be answered; a single one is also given as application/dicom+xml
 * @returns none when no form is accepted
 */
export const datasetChoices = (accepted: readonly Accepted[], several: boolean): readonly DatasetChoice[] =>
  rankedOffers(accepted.map(asDicomJson), several ? datasets : [...datasets, oneDatasetInXml]).map(
    ({ mediaType, multipart }) => ({ mediaType, multipart }),
  );

/**
 * What the answer of a store is given as, which is one dataset (PS3.18 10.5.3.3): DICOM JSON, which is the default, or a
 * document of XML, which is all that dcm4che takes.
 * @returns undefined when neither is accepted
 */
export const storeAnswerType = (accepted: readonly Accepted[]): DatasetChoice['mediaType'] | undefined =>
  rankedOffers(accepted.map(asDicomJson), [...datasets.slice(0, 1), oneDatasetInXml])[0]?.mediaType;

/** Syntaxes in which nothing leaves, however it is stored or asked for (PS3.18 8.7.3). */
const neverGiven: ReadonlySet<string> = new Set([ImplicitVRLittleEndian, ExplicitVRBigEndian]);

export interface InstanceChoice {
  readonly transferSyntaxUid: string;
  readonly multipart: boolean;
}

/**
 * The syntaxes an instance may leave in, the client's best first (PS3.18 8.7.3.5.2, 8.7.8). `transfer-syntax=*` is the
 * stored one, but that what is stored in Implicit VR or Big Endian leaves in Explicit VR Little Endian. Without the
 * parameter that one is meant (Table 8.7.3-2), and after it the stored one: for video and whatever else has no other form,
 * for what is longer than uncompressed pixels may be (8.7.3), and for what is broken, which would take its study with it.
 * Whether it can be had in them is not asked here.
 * @param several more than one instance is answered, which only multipart/related can hold (10.4.4)
 * @returns none when no form of answer is accepted
 */
export function instanceChoices(
  accepted: readonly Accepted[],
  storedSyntax: string,
  several: boolean,
): readonly InstanceChoice[] {
  const packagings = several ? [true] : [true, false];
  const choices = ranked(accepted, (range) =>
    syntaxesMeant(range, storedSyntax).map((alternatives) =>
      packagings
        .flatMap((multipart) => alternatives.map((uid) => instanceIn(uid, multipart)))
        .filter((one) => isIn(range, one)),
    ),
  );
  return (
    choices
      .map(({ transferSyntaxUid, multipart }) => ({ transferSyntaxUid, multipart }))
      // What it would stand for may be refused; what was compressed with loss has no better form.
      .filter((choice, at) => at > 0 || !isLosslessFallback(accepted, choice))
  );
}

const isLosslessFallback = (accepted: readonly Accepted[], { transferSyntaxUid, multipart }: InstanceChoice): boolean =>
  isEncapsulated(transferSyntaxUid) &&
  !transferSyntaxOf(transferSyntaxUid).lossy &&
  !isNamed(accepted, instanceIn(transferSyntaxUid, multipart));

/** Whether it is accepted for itself, or as what is stored. */
const isNamed = (accepted: readonly Accepted[], one: Representation): boolean =>
  accepted.some(
    (range) => range.quality > 0 && [one.transferSyntaxUid, '*'].includes(range.transferSyntax) && isIn(range, one),
  );

const instanceIn = (transferSyntaxUid: string, multipart: boolean): Representation & InstanceChoice => ({
  type: 'application/dicom',
  multipart,
  transferSyntaxUid,
  isDefaultSyntax: transferSyntaxUid === ExplicitVRLittleEndian,
});

/** What a range means by its parameter, best first, each with what stands for it where it is refused. */
function syntaxesMeant({ transferSyntax: asked }: Accepted, storedSyntax: string): readonly (readonly string[])[] {
  const stored = neverGiven.has(storedSyntax) ? ExplicitVRLittleEndian : storedSyntax;
  if (asked === '*') return [[stored, ExplicitVRLittleEndian]];
  if (asked !== undefined) return neverGiven.has(asked) ? [] : [[asked]];
  return isEncapsulated(stored) ? [[ExplicitVRLittleEndian], [stored]] : [[ExplicitVRLittleEndian]];
}

/**
 * Whether an object may leave in Explicit VR Little Endian among others, where only compressed syntaxes are accepted that
 * are of no use to it, or cannot hold its pixels: a CT study is not refused for its dose report or its segmentation. RFC
 * 9110 12.5.1 lets a server disregard Accept rather than answer 406; what is refused by name is not given.
 * @param choices in which an instance is accepted
 */
export const takesPlainBesides = (accepted: readonly Accepted[], choices: readonly InstanceChoice[]): boolean =>
  choices.every(({ transferSyntaxUid }) => transferSyntaxes.get(transferSyntaxUid)?.encapsulated === true) &&
  !accepted.some(({ quality, transferSyntax }) => quality === 0 && transferSyntax === ExplicitVRLittleEndian);

/** Of an instance, which is named: in a study or series nobody would know which. */
export const instanceNotAcceptable = (instance: {
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
}): NotAcceptableError =>
  new NotAcceptableError(
    `instances are given as multipart/related; type="application/dicom" (one also as application/dicom); ` +
      `${instance.sopInstanceUid} is stored in transfer syntax ${instance.transferSyntaxUid} and cannot be given in those ` +
      `asked for: ask with transfer-syntax=* for it as it is`,
  );
