/** What a study holds, as study-index tells it: no patient attributes, no pixels. */
export interface StudyContents {
  readonly studyInstanceUid: string;
  readonly revision: number;
  /** DICOM DA, empty when absent. */
  readonly studyDate: string;
  /** DICOM TM, empty when absent. */
  readonly studyTime: string;
  readonly studyDescription: string;
  /** ±HHMM, empty when absent. */
  readonly timezoneOffsetFromUtc: string;
  /** A link holds for exactly this digest. */
  readonly identityDigest: string;
  readonly series: readonly SeriesContents[];
  /** When its first instance was stored; not part of what is published. */
  readonly firstStoredAt?: Date | undefined;
}

export interface SeriesContents {
  readonly seriesInstanceUid: string;
  readonly modality: string;
  readonly seriesNumber?: number | undefined;
  readonly seriesDescription: string;
  readonly bodyPartExamined: string;
  readonly laterality: string;
  readonly seriesDate: string;
  readonly seriesTime: string;
  readonly instances: readonly InstanceContents[];
}

export interface InstanceContents {
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly instanceNumber?: number | undefined;
}

/** True when the study's index names every one of these instances. */
export function holdsInstances(study: StudyContents, sopInstanceUids: readonly string[]): boolean {
  const known = new Set(study.series.flatMap(({ instances }) => instances.map(({ sopInstanceUid }) => sopInstanceUid)));
  return sopInstanceUids.every((uid) => known.has(uid));
}

/** The study without these instances, and without series that held nothing else. */
export function withoutInstances(study: StudyContents, sopInstanceUids: ReadonlySet<string>): StudyContents {
  if (sopInstanceUids.size === 0) return study;
  const series = study.series.flatMap((one) => {
    const instances = one.instances.filter(({ sopInstanceUid }) => !sopInstanceUids.has(sopInstanceUid));
    return instances.length > 0 ? [{ ...one, instances }] : [];
  });
  return { ...study, series };
}
