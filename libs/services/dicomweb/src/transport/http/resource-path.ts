import { isUid } from '@callosum/kernel';

import type { Selection } from '../../application/ports/archive.js';
import { BadRequestError } from '../../domain/errors/door.js';

/** Parameters of a path: study, series, instance (PS3.18 10.1.1). */
export interface ResourcePath {
  readonly study: string;
  readonly series?: string;
  readonly instance?: string;
}

/** @throws {BadRequestError} for what is no UID (PS3.5 9.1) */
export function selectionOf({ study, series, instance }: ResourcePath): Selection {
  for (const uid of [study, series, instance]) {
    if (uid !== undefined && !isUid(uid)) throw new BadRequestError('the path holds something that is no UID');
  }
  return {
    studyInstanceUid: study,
    ...(series === undefined ? {} : { seriesInstanceUid: series }),
    ...(instance === undefined ? {} : { sopInstanceUid: instance }),
  };
}

/** @throws {BadRequestError} */
export const instanceOf = (path: Required<ResourcePath>): Required<Selection> =>
  selectionOf(path) as Required<Selection>;
