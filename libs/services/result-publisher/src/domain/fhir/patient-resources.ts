import { isDeepStrictEqual } from 'node:util';

import {
  type Bundle,
  type DiagnosticReport,
  identifierToken,
  type ImagingStudy,
  type Observation,
  type Resource,
  systems,
  type Task,
  TransactionBuilder,
} from '@callosum/fhir';

import { identifierSystems } from './coding.js';
import { narrative } from './narrative.js';

/** Resources of a study that name its Patient. Provenance names none in R4, Device and Endpoint are nobody's. */
export type PatientResource = ImagingStudy | DiagnosticReport | Observation | Task;

const patientTypes: ReadonlySet<string> = new Set(['ImagingStudy', 'DiagnosticReport', 'Observation', 'Task']);

const isPatientResource = (resource: Resource | undefined): resource is PatientResource =>
  resource !== undefined && patientTypes.has(resource.resourceType);

/** What names a resource for Callosum, whatever id the server gave it. */
export interface ResourceKey {
  readonly resourceType: PatientResource['resourceType'];
  readonly system: string;
  readonly value: string;
}

/** Keys of everything in a transaction that names a Patient. */
export function resourceKeys(bundle: Bundle): ResourceKey[] {
  return (bundle.entry ?? []).flatMap(({ resource }) => {
    if (!isPatientResource(resource)) return [];
    const { system, value } = resource.identifier?.[0] ?? {};
    if (!system || !value) throw new TypeError(`${resource.resourceType} has no identifier`);
    return [{ resourceType: resource.resourceType, system, value }];
  });
}

/** Whose a resource says it is. */
export const patientOf = (resource: PatientResource): string | undefined =>
  (resource.resourceType === 'Task' ? resource.for : resource.subject)?.reference;

/** The same resource as another Patient's. */
export function movedTo<T extends PatientResource>(resource: T, patientReference: string): T {
  const reference = { reference: patientReference };
  return resource.resourceType === 'Task' ? { ...resource, for: reference } : { ...resource, subject: reference };
}

const withdrawnText = narrative(
  'Withdrawn: it is in question whose study this is. An earlier version is in the history of this resource.',
);

/**
 * The resource as one that should not have been: entered-in-error, with what R4 requires and what names it. What it
 * found is taken out, so that a reader that overlooks the status shows nothing of it in this Patient's record. The
 * Patient stays, for those who watch that record must learn of it (and ImagingStudy.subject is 1..1).
 * @param why when it is not that nobody knows whose the study is
 * Status codes: R4 imagingstudy-status, diagnostic-report-status, observation-status, task-status.
 */
export function withdrawn(resource: PatientResource, at: Date, why?: string): PatientResource {
  const { id, meta, identifier } = resource;
  const common = {
    ...(id === undefined ? {} : { id }),
    ...(meta === undefined ? {} : { meta }),
    ...(identifier === undefined ? {} : { identifier }),
    text: why === undefined ? withdrawnText : narrative(why),
    status: 'entered-in-error',
  } as const;
  switch (resource.resourceType) {
    case 'ImagingStudy': {
      const { resourceType, subject } = resource;
      return { resourceType, ...common, subject };
    }
    case 'DiagnosticReport': {
      const { resourceType, category, code, subject } = resource;
      return { resourceType, ...common, code, ...given({ category, subject }) };
    }
    case 'Observation': {
      const { resourceType, category, code, subject, device } = resource;
      return { resourceType, ...common, code, ...given({ category, subject, device }) };
    }
    case 'Task': {
      // A Task says what was asked of whom, and no finding; its output is one.
      const { output, ...task } = resource;
      void output;
      const lastModified = later(task.lastModified, task.status === 'entered-in-error' ? undefined : at);
      const statusReason = { text: 'it is in question whose study this is' };
      return { ...task, ...common, statusReason, ...given({ lastModified }) };
    }
  }
}

/** Clocks of several services meet here, and a Task is never older than its order (R4 Task, inv-1). */
const later = (modified: string | undefined, at: Date | undefined): string | undefined =>
  at && (!modified || at > new Date(modified)) ? at.toISOString() : modified;

/** Without the absent ones. */
const given = <T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;

export interface Correction {
  readonly decisionId: string;
  readonly decidedAt: Date;
  /** Undefined when the study is nobody's now. */
  readonly patientReference?: string | undefined;
}

/**
 * Brings what the server holds of a study in line with a decision: everything withdrawn when the study is nobody's
 * now, everything moved when it is another Patient's. Each write holds for the version that was read only (If-Match).
 * @returns undefined when all of it is in line already
 */
export function correctionTransaction(
  resources: readonly PatientResource[],
  { decisionId, decidedAt, patientReference }: Correction,
): Bundle | undefined {
  const transaction = new TransactionBuilder();
  const targets: { reference: string }[] = [];
  for (const resource of resources) {
    const { id, meta } = resource;
    if (!id) continue;
    const corrected = patientReference ? movedTo(resource, patientReference) : withdrawn(resource, decidedAt);
    if (isDeepStrictEqual(corrected, resource)) continue;
    targets.push(transaction.update({ ...corrected, id }, meta?.versionId ? { versionId: meta.versionId } : {}));
  }
  if (targets.length === 0) return undefined;
  const [code, what] = patientReference
    ? (['UPDATE', 'Moved to the Patient of a later identity decision'] as const)
    : (['NULLIFY', 'Withdrawn by a later identity decision'] as const);
  const publication = `identity-decision ${decisionId}`;
  transaction.conditionalUpdate(
    {
      resourceType: 'Provenance',
      meta: { tag: [{ system: identifierSystems.publication, code: publication }] },
      text: narrative(what),
      target: targets,
      recorded: decidedAt.toISOString(),
      reason: [{ text: 'Identity of the imaging study' }],
      activity: { coding: [{ system: systems.dataOperation, code }], text: what },
      agent: [{ who: { display: 'Callosum' } }],
    },
    { _tag: identifierToken({ system: identifierSystems.publication, value: publication }) },
  );
  return transaction.build();
}

/** The server's reference to the study's ImagingStudy among these; '' when it is not there. */
export function imagingStudyAmong(resources: readonly PatientResource[]): string {
  const found = resources.find(({ resourceType }) => resourceType === 'ImagingStudy');
  return found?.id ? `ImagingStudy/${found.id}` : '';
}
