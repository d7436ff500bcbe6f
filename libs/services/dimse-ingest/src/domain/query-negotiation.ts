import type { ExtendedNegotiation } from '@callosum/dimse';

/** What an association may ask for beyond the baseline of C-FIND (PS3.4 section C.5.1.1). */
export interface FindNegotiation {
  readonly relational: boolean;
  readonly combinedDatetime: boolean;
  readonly fuzzyNames: boolean;
  readonly emptyValues: boolean;
}

/**
 * Fields of a byte each: relational queries, combined date and time, fuzzy matching of names, time zone, conversion to
 * and from enhanced multi-frame images, empty values, several values. 1 is what we have.
 */
const findFields = [1, 1, 1, 0, 0, 1, 0];
/** Relational retrieval, and the conversion (PS3.4 sections C.5.2.1 and C.5.3.1). */
const retrieveFields = [1, 0];

/** The answer to a C-FIND's Service Class Application Information: of what was asked for, what there is. */
export const answerFind = (asked: Uint8Array): Uint8Array | undefined => answer(asked, findFields);
/** The same of a C-MOVE or C-GET. */
export const answerRetrieve = (asked: Uint8Array): Uint8Array | undefined => answer(asked, retrieveFields);

/** As agreed on this association for the SOP class; nothing without a question. */
export function findNegotiation(asked: readonly ExtendedNegotiation[], sopClassUid: string): FindNegotiation {
  const agreed = agreedOn(asked, sopClassUid, findFields);
  return {
    relational: agreed[0] === 1,
    combinedDatetime: agreed[1] === 1,
    fuzzyNames: agreed[2] === 1,
    emptyValues: agreed[5] === 1,
  };
}

export const isRelationalRetrieve = (asked: readonly ExtendedNegotiation[], sopClassUid: string): boolean =>
  agreedOn(asked, sopClassUid, retrieveFields)[0] === 1;

function agreedOn(asked: readonly ExtendedNegotiation[], sopClassUid: string, fields: readonly number[]): Uint8Array {
  // Of several for one SOP class the last, which is the one that is answered.
  const question = asked.findLast((one) => one.sopClassUid === sopClassUid);
  return (question && answer(question.information, fields)) ?? Uint8Array.of();
}

/** As many fields as were asked about: a requestor of an older edition knows no others. */
function answer(asked: Uint8Array, fields: readonly number[]): Uint8Array | undefined {
  if (asked.length === 0) return undefined;
  return Uint8Array.from(asked.subarray(0, fields.length), (wanted, i) => (wanted === 1 ? (fields[i] ?? 0) : 0));
}
