import {
  type Bundle,
  identifierToken,
  type Observation,
  type Reference,
  resolvedReferences,
  TransactionBuilder,
  uidIdentifier,
  type Identifier,
  type Resource,
} from '@callosum/fhir';

import type { JobResult, Model } from '../result.js';
import type { StudyContents } from '../study-contents.js';
import { identifierSystems } from './coding.js';
import { modelDevice } from './device.js';
import { cancelledReport, diagnosticReport, type ResultObjects } from './diagnostic-report.js';
import { imagingStudy, wadoEndpoint } from './imaging-study.js';
import { observations } from './observations.js';
import { provenance } from './provenance.js';
import { jobTask, type TaskOutcome } from './task.js';

/** What every transaction about a study needs. */
export interface StudyContext {
  readonly study: StudyContents;
  /** Relative FHIR reference of the linked Patient. */
  readonly patientReference: string;
  readonly publicUrl: string;
  readonly site: string;
}

/** A transaction, and what its entries are called until the server has named them. */
export interface PublicationBundle {
  readonly bundle: Bundle;
  readonly imagingStudy: string;
  readonly diagnosticReport?: string;
  readonly observations: readonly string[];
  readonly task?: string;
  /** Observations as written, kept so that a later revision can take back those it has no successor for. */
  readonly writtenObservations: readonly Observation[];
}

/** Relative references the server gave. */
export interface PublishedReferences {
  readonly imagingStudy: string;
  readonly diagnosticReport: string;
  readonly observations: readonly string[];
  readonly task: string;
}

type Named = Resource & { readonly identifier?: Identifier[] | Identifier };
type Entry<T extends Resource> = Reference<T> & { reference: string };

/** Every write is an update by identifier: repeated after a crash it finds what the first try wrote. */
function put<T extends Named>(transaction: TransactionBuilder, resource: T, identifier?: Identifier): Entry<T> {
  const own = identifier ?? [resource.identifier].flat()[0];
  if (!own) throw new TypeError(`${resource.resourceType} has no identifier`);
  return transaction.conditionalUpdate(resource, { identifier: identifierToken(own) });
}

function putStudy(transaction: TransactionBuilder, context: StudyContext): Entry<ReturnType<typeof imagingStudy>> {
  const endpoint = put(transaction, wadoEndpoint(context.publicUrl, context.site));
  return put(
    transaction,
    imagingStudy(context.study, context.patientReference, endpoint),
    uidIdentifier(context.study.studyInstanceUid),
  );
}

/** The study alone: ImagingStudy and Endpoint. */
export function studyTransaction(context: StudyContext): PublicationBundle {
  const transaction = new TransactionBuilder();
  const study = putStudy(transaction, context);
  return { bundle: transaction.build(), imagingStudy: study.reference, observations: [], writtenObservations: [] };
}

export interface ResultContext extends StudyContext {
  readonly result: JobResult;
  readonly objects: ResultObjects;
  readonly scheduledAt?: Date | undefined;
  /** Observations an earlier revision of this study and model wrote. */
  readonly earlierObservations: readonly Observation[];
}

/** A whole result: study, report, observations, task, device and provenance, all or none. */
export function resultTransaction(context: ResultContext): PublicationBundle {
  const { result, study, patientReference } = context;
  const transaction = new TransactionBuilder();
  const studyEntry = putStudy(transaction, context);
  const device = put(transaction, modelDevice(result.model));
  const written = observations({ result, study, patientReference, device, imagingStudy: studyEntry });
  const observationEntries = written.map((observation) => put(transaction, observation));
  for (const withdrawn of withdrawnObservations(context.earlierObservations, written, context.patientReference)) {
    put(transaction, { ...withdrawn, device, derivedFrom: [studyEntry] });
  }
  const report = put(
    transaction,
    diagnosticReport({ ...context, imagingStudy: studyEntry, observations: observationEntries }),
  );
  const task = putTask(
    transaction,
    context,
    result,
    { status: 'completed', report },
    result.completedAt,
    studyEntry,
    device,
  );
  const publication = `${result.jobId}`;
  transaction.conditionalUpdate(
    provenance({
      publication,
      targets: [report, ...observationEntries, task],
      device,
      imagingStudy: studyEntry,
      recorded: result.completedAt,
    }),
    { _tag: identifierToken({ system: identifierSystems.publication, value: publication }) },
  );
  return {
    bundle: transaction.build(),
    imagingStudy: studyEntry.reference,
    diagnosticReport: report.reference,
    observations: observationEntries.map(({ reference }) => reference),
    task: task.reference,
    writtenObservations: written,
  };
}

export interface FailureContext extends StudyContext {
  readonly jobId: string;
  readonly model: Model;
  readonly endedAt: Date;
  readonly outcome: Exclude<TaskOutcome, { status: 'completed' }>;
  /** False when a result of this study and model has the report, or a newer job is to write it. */
  readonly reports: boolean;
}

/** A job without a result: its Task, the study it was about, and a cancelled report where there is no other. */
export function failureTransaction(context: FailureContext): PublicationBundle {
  const transaction = new TransactionBuilder();
  const studyEntry = putStudy(transaction, context);
  const device = put(transaction, modelDevice(context.model));
  const { reason } = context.outcome;
  const report = context.reports
    ? put(transaction, cancelledReport({ ...context, imagingStudy: studyEntry, reason }))
    : undefined;
  const task = putTask(transaction, context, context, context.outcome, context.endedAt, studyEntry, device);
  return {
    bundle: transaction.build(),
    imagingStudy: studyEntry.reference,
    ...(report ? { diagnosticReport: report.reference } : {}),
    observations: [],
    task: task.reference,
    writtenObservations: [],
  };
}

function putTask(
  transaction: TransactionBuilder,
  context: StudyContext & { readonly scheduledAt?: Date | undefined },
  job: { readonly jobId: string; readonly model: Model },
  outcome: TaskOutcome,
  endedAt: Date,
  study: Entry<ReturnType<typeof imagingStudy>>,
  device: Entry<ReturnType<typeof modelDevice>>,
): Entry<ReturnType<typeof jobTask>> {
  const { patientReference, scheduledAt } = context;
  const { jobId, model } = job;
  return put(
    transaction,
    jobTask({ jobId, model, patientReference, imagingStudy: study, device, scheduledAt, endedAt, outcome }),
  );
}

export interface SupersededContext {
  readonly jobId: string;
  readonly model: Model;
  readonly scheduledAt?: Date | undefined;
  readonly endedAt: Date;
  readonly patientReference: string;
  /** Relative references of what the job's study and model have now. */
  readonly imagingStudy: string;
  readonly diagnosticReport: string;
}

/** The Task of a job whose result a later one has replaced: all that is still the job's own. */
export function supersededTransaction(context: SupersededContext): Bundle {
  const { imagingStudy: study, diagnosticReport: report, ...task } = context;
  const transaction = new TransactionBuilder();
  const device = put(transaction, modelDevice(context.model));
  const outcome = { status: 'completed', report: { reference: report } } as const;
  put(transaction, jobTask({ ...task, imagingStudy: { reference: study }, device, outcome }));
  return transaction.build();
}

/** Earlier observations without a successor: they were never true of what the report now says. */
function withdrawnObservations(
  earlier: readonly Observation[],
  written: readonly Observation[],
  patientReference: string,
): Observation[] {
  const kept = new Set(written.map(({ identifier }) => identifier?.[0]?.value));
  const gone = new Map(earlier.map((observation) => [observation.identifier?.[0]?.value, observation]));
  return [...gone]
    .filter(([value]) => !kept.has(value))
    .map(([, observation]) => ({
      ...observation,
      status: 'entered-in-error',
      subject: { reference: patientReference },
    }));
}

/**
 * The references the server gave, from its answer.
 * @throws TypeError when the answer does not name the study: it is no answer to this transaction
 */
export function publishedReferences(publication: PublicationBundle, response: Bundle): PublishedReferences {
  const resolved = resolvedReferences(publication.bundle, response);
  const of = (reference: string | undefined): string => (reference && resolved.get(reference)) ?? '';
  const study = of(publication.imagingStudy);
  if (!study) throw new TypeError('the transaction response does not name the ImagingStudy');
  return {
    imagingStudy: study,
    diagnosticReport: of(publication.diagnosticReport),
    observations: publication.observations.map(of),
    task: of(publication.task),
  };
}
