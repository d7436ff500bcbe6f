import { ExplicitVRLittleEndian, transferSyntaxes } from '@callosum/dicom';

import { instanceChoices, readAccept } from '../domain/accept.js';
import { frameChoices } from '../domain/frame-choices.js';

export { headersOfPages } from '../transport/http/cors.js';
export { statedAnswers } from './answers.js';
export { statedPixels } from './pixels.js';
export { resources as statedResources } from './resources.js';

/** What comes of an object by the transfer syntax it is stored in. */
export interface StatedSyntax {
  readonly transferSyntaxUid: string;
  /**
   * In which syntaxes an instance may leave when none is named, the first that can be had, whatever its size; and with "*".
   */
  readonly instanceByDefault: readonly string[];
  readonly instanceAsStored: readonly string[];
  /** Whether an instance may be asked for in it by name. */
  readonly isAskedFor: boolean;
  /** Media type and transfer syntax of a frame with "*". */
  readonly frameAsStored: { readonly mediaType: string; readonly transferSyntaxUid: string } | undefined;
}

/** As the functions that choose them answer, for each transfer syntax. */
export function statedSyntaxes(): StatedSyntax[] {
  const any = '; transfer-syntax=*';
  return [...transferSyntaxes.keys()].map((transferSyntaxUid) => {
    const choices = (accept: string, stored: string): string[] =>
      instanceChoices(readAccept(accept, undefined), stored, false).map(({ transferSyntaxUid: uid }) => uid);
    const byName = `application/dicom; transfer-syntax=${transferSyntaxUid}`;
    return {
      transferSyntaxUid,
      instanceByDefault: choices('application/dicom', transferSyntaxUid),
      instanceAsStored: choices(`application/dicom${any}`, transferSyntaxUid),
      isAskedFor: choices(byName, ExplicitVRLittleEndian).length > 0,
      frameAsStored: frameChoices(readAccept(`*/*${any}`, undefined), transferSyntaxUid, false)[0],
    };
  });
}

/** The transfer syntax that a media type of frames means without the parameter (PS3.18 Table 8.7.3-5). */
export const defaultSyntaxOf = (mediaType: string): string | undefined =>
  frameChoices(readAccept(mediaType, undefined), ExplicitVRLittleEndian, false)[0]?.transferSyntaxUid;
