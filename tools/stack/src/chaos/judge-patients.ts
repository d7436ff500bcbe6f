import { type ClinicalRecord, type Resource, studyInstanceUidOf } from './judge-record.js';
import type { PlannedPatient, PlannedStudy } from './planned-study.js';

/**
 * Rule 3: everything that was written of a study is about the person the sender named in it. Nothing here asks a service
 * whose a study is: planned demographics are held against the Patient that each resource names.
 */
export function judgePatients(
  { imagingStudies, reports, observations, tasks }: Omit<ClinicalRecord, 'provenances' | 'distinctVersions'>,
  patients: readonly Resource[],
  planned: readonly PlannedStudy[],
): string[] {
  const findings: string[] = [];
  const people = new Map(patients.map((patient) => [nameOf(patient), patient]));
  const plannedOf = new Map(planned.map((study) => [study.studyInstanceUid, study.patient]));
  const byStudy = new Map(imagingStudies.map((study) => [nameOf(study), plannedOf.get(studyInstanceUidOf(study))]));
  const check = (resource: Resource, study: string | undefined, subject: string | undefined): void => {
    const expected = byStudy.get(study ?? '');
    const person = people.get(subject ?? '');
    if (!expected) findings.push(`${nameOf(resource)} is of no study that was sent`);
    else if (!person) findings.push(`${nameOf(resource)} is about nobody`);
    else if (!isOf(person, expected)) findings.push(`${nameOf(resource)} is about another person than its study`);
  };
  for (const one of imagingStudies) check(one, nameOf(one), one.subject?.reference);
  for (const one of reports) check(one, one.imagingStudy?.[0]?.reference, one.subject?.reference);
  for (const one of observations) check(one, one.derivedFrom?.[0]?.reference, one.subject?.reference);
  for (const one of tasks) check(one, one.focus?.reference, one.for?.reference);
  return findings;
}

const nameOf = ({ resourceType, id }: Resource): string => `${resourceType}/${id}`;

const isOf = ({ identifier, birthDate }: Resource, { id, birthDate: born }: PlannedPatient): boolean =>
  identifier?.some(({ value }) => value === id) === true && birthDate?.replaceAll('-', '') === born;
