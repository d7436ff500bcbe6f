import { findTag } from '@callosum/dicom';
import { isUid } from '@callosum/kernel';

import { BadRequestError } from './errors.js';

export type QidoLevel = 'study' | 'series' | 'instance';

export interface QidoQuery {
  readonly level: QidoLevel;
  readonly matches: readonly { readonly tag: string; readonly value: string }[];
  readonly includeTags: readonly string[];
  readonly includeAll: boolean;
  readonly limit: number;
  readonly offset: number;
  readonly fuzzyMatching: boolean;
  readonly emptyValueMatching: boolean;
}

const offsetMax = 10_000_000;

/**
 * Reads a QIDO-RS request (PS3.18 8.3.4): match keys and includefield by keyword or tag, or by a path of them as
 * "RequestAttributesSequence.ScheduledProcedureStepID"; limit, offset, fuzzymatching, emptyvaluematching.
 * @param path UIDs of the path, which match too
 * @throws {BadRequestError} for a key that is no attribute or a number that is none
 */
export function readQuery(
  level: QidoLevel,
  path: { readonly studyInstanceUid?: string; readonly seriesInstanceUid?: string },
  parameters: URLSearchParams,
  limitMax: number,
): QidoQuery {
  const matches: { tag: string; value: string }[] = [];
  const includeTags: string[] = [];
  let includeAll = false;
  let limit = limitMax;
  let offset = 0;
  let fuzzyMatching = false;
  let emptyValueMatching = false;
  for (const [keyword, uid] of [
    ['StudyInstanceUID', path.studyInstanceUid],
    ['SeriesInstanceUID', path.seriesInstanceUid],
  ] as const) {
    if (uid === undefined) continue;
    if (!isUid(uid)) throw new BadRequestError(`the ${keyword} of the path is no UID`);
    matches.push({ tag: tag(keyword), value: uid });
  }
  for (const [name, value] of parameters) {
    switch (name.toLowerCase()) {
      case 'limit':
        limit = Math.min(limitMax, wholeNumber('limit', value, 1));
        break;
      case 'offset':
        offset = wholeNumber('offset', value, 0);
        break;
      case 'fuzzymatching':
        fuzzyMatching = value.toLowerCase() === 'true';
        break;
      case 'emptyvaluematching':
        emptyValueMatching = value.toLowerCase() === 'true';
        break;
      case 'includefield':
        for (const field of value.split(',')) {
          if (field.toLowerCase() === 'all') includeAll = true;
          else if (field !== '') includeTags.push(tag(field));
        }
        break;
      case 'accept':
      case 'charset':
        break;
      default:
        matches.push({ tag: tag(name), value });
    }
  }
  return { level, matches, includeTags, includeAll, limit, offset, fuzzyMatching, emptyValueMatching };
}

/** Eight hex digits, or several of them joined by dots: sequences and an attribute of their items. */
function tag(path: string): string {
  const tags = path.split('.').map(findTag);
  if (!tags.every((found) => found !== undefined))
    throw new BadRequestError('a query parameter is no attribute of PS3.6');
  return tags.join('.');
}

function wholeNumber(name: string, text: string, min: number): number {
  const value = Number(text);
  if (!/^\d{1,9}$/.test(text) || value < min || value > offsetMax)
    throw new BadRequestError(`${name} is no usable number`);
  return value;
}
