import type { IssuedObject, JobPublication, ResultParts, StudyState } from './judge-state.js';

/** PS3.4 Table B.5-1: Segmentation Storage, and Comprehensive 3D SR Storage of the reports. */
export const sopClasses = { seg: '1.2.840.10008.5.1.4.1.1.66.4', sr: '1.2.840.10008.5.1.4.1.1.88.34' } as const;

/** A study as it comes back from the archive. */
export interface ArchivedStudy {
  /** What QIDO-RS lists of it. */
  readonly listed: readonly IssuedObject[];
  /** Lower-case hex SHA-256 of the dataset of each object WADO-RS returns; one an object. */
  readonly digests: readonly string[];
}

/**
 * Every acknowledged object of a study comes back as it was sent, and of each published result the objects it names, no
 * more: one SEG and one SR where the worker makes both.
 */
export function judgeObjects(
  uid: string,
  state: StudyState,
  archived: ArchivedStudy,
  sent: ReadonlyMap<string, string>,
  perResult: ResultParts,
): string[] {
  const findings = judgeIssued(state, perResult);
  const listed = new Map(archived.listed.map(({ sop, sopClass }) => [sop, sopClass]));
  if (listed.size !== archived.listed.length) findings.push('an object is listed twice');
  const issued = new Map(state.issued.map(({ sop, sopClass }) => [sop, sopClass]));
  for (const sop of [...sent.keys(), ...issued.keys()]) if (!listed.has(sop)) findings.push(`is not listed: ${sop}`);
  for (const [sop, sopClass] of listed) {
    if (!sent.has(sop) && !issued.has(sop)) findings.push(`is listed, and nobody made it: ${sop}`);
    if (issued.has(sop) && issued.get(sop) !== sopClass) findings.push(`is listed as another class: ${sop}`);
  }
  const kept = new Set(archived.digests);
  for (const [sop, sha256] of sent) if (!kept.has(sha256)) findings.push(`does not come back as it was sent: ${sop}`);
  if (kept.size !== sent.size + issued.size || archived.digests.length !== kept.size)
    findings.push(`${archived.digests.length} objects come back, ${kept.size} of them different`);
  return findings.map((what) => `${what}: study ${uid}`);
}

/**
 * One that a later result replaced may have left its own objects, stored before the replacement was known (ADR 18); no
 * result leaves two of a kind, and no object is without a result.
 */
function judgeIssued({ issued, publications }: StudyState, perResult: ResultParts): string[] {
  const findings: string[] = [];
  const classes = new Map(issued.map(({ sop, sopClass }) => [sop, sopClass]));
  const without = new Set(classes.keys());
  for (const { made, names, published, kind } of publications) {
    const left = made.filter((sop) => without.delete(sop));
    const isDoubled = counted(left, classes, sopClasses.seg) > perResult.segmentations;
    if (isDoubled || counted(left, classes, sopClasses.sr) > perResult.reports)
      findings.push(`${left.length} objects of one result`);
    if (kind === 'result' && published && !isWhole(names, left, classes, perResult))
      findings.push('a published result without the objects it names');
  }
  if (without.size > 0) findings.push(`${without.size} result objects of no result`);
  return findings;
}

const counted = (sops: readonly string[], classes: ReadonlyMap<string, string>, sopClass: string): number =>
  sops.filter((sop) => classes.get(sop) === sopClass).length;

const isWhole = (
  names: JobPublication['names'],
  left: readonly string[],
  classes: ReadonlyMap<string, string>,
  { segmentations, reports }: ResultParts,
): boolean =>
  names.every((sop) => left.includes(sop)) &&
  names.length === segmentations + reports &&
  counted(names, classes, sopClasses.seg) === segmentations &&
  counted(names, classes, sopClasses.sr) === reports;
