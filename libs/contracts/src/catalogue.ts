import type { MessageFns } from './message.js';
import * as identity from './identity.js';
import * as imaging from './imaging.js';
import * as inference from './inference.js';
import * as results from './results.js';

/** The seven services, by the names they deploy under. */
export const serviceNames = [
  'dimse-ingest',
  'dicomweb',
  'study-index',
  'identity-mapping',
  'inference-orchestrator',
  'result-publisher',
  'fhir-gateway',
] as const;
export type ServiceName = (typeof serviceNames)[number];

/** Who reads a topic that no service of ours consumes, and what for. */
export interface ExternalConsumer {
  readonly external: string;
}

export interface Topic<M = unknown> {
  /** `<context>.<entity>.<fact>.v<major>` */
  readonly name: string;
  readonly message: MessageFns<M>;
  /** Full protobuf name, the `ce_type` of every event on the topic. */
  readonly type: string;
  /** What the key is, for people. */
  readonly key: string;
  /** The key of one message; never empty. */
  readonly keyOf: (message: M) => string;
  readonly producers: readonly ServiceName[];
  readonly consumers: readonly (ServiceName | ExternalConsumer)[];
  readonly partitions: number;
  /** Whole days an event stays readable; the inbox of every consumer outlives it. */
  readonly retentionDays: number;
}

/** Twelve partitions let each consumer group grow to twelve replicas; a larger site repartitions by ADR. */
const partitions = 12;
/** Two weeks: a consumer may be down over a holiday week and still catch up. */
const retentionDays = 14;

function topic<M>(definition: Omit<Topic<M>, 'partitions' | 'retentionDays'>): Topic<M> {
  return Object.freeze({ ...definition, partitions, retentionDays });
}

export const topics = Object.freeze({
  instanceStored: topic({
    name: 'imaging.instance.stored.v1',
    message: imaging.InstanceStored,
    type: 'callosum.imaging.v1.InstanceStored',
    key: 'StudyInstanceUID',
    keyOf: (m) => m.studyInstanceUid,
    producers: ['dimse-ingest', 'dicomweb', 'study-index', 'result-publisher'],
    consumers: ['study-index', 'dimse-ingest'],
  }),
  tombstoneRecorded: topic({
    name: 'imaging.tombstone.recorded.v1',
    message: imaging.TombstoneRecorded,
    type: 'callosum.imaging.v1.TombstoneRecorded',
    key: 'StudyInstanceUID',
    keyOf: (m) => m.studyInstanceUid,
    producers: ['dimse-ingest', 'dicomweb', 'study-index', 'result-publisher'],
    consumers: ['study-index', 'dimse-ingest'],
  }),
  associationReleased: topic({
    name: 'imaging.association.released.v1',
    message: imaging.AssociationReleased,
    type: 'callosum.imaging.v1.AssociationReleased',
    key: 'StudyInstanceUID',
    keyOf: (m) => m.studyInstanceUid,
    producers: ['dimse-ingest'],
    consumers: ['study-index'],
  }),
  procedureStepChanged: topic({
    name: 'imaging.procedure-step.changed.v1',
    message: imaging.ProcedureStepChanged,
    type: 'callosum.imaging.v1.ProcedureStepChanged',
    key: 'StudyInstanceUID',
    keyOf: (m) => m.studyInstanceUid,
    producers: ['dimse-ingest'],
    consumers: ['study-index', 'inference-orchestrator'],
  }),
  studyUpdated: topic({
    name: 'imaging.study.updated.v1',
    message: imaging.StudyUpdated,
    type: 'callosum.imaging.v1.StudyUpdated',
    key: 'StudyInstanceUID',
    keyOf: (m) => m.studyInstanceUid,
    producers: ['study-index'],
    consumers: ['identity-mapping', 'result-publisher'],
  }),
  seriesCompleted: topic({
    name: 'imaging.series.completed.v1',
    message: imaging.SeriesCompleted,
    type: 'callosum.imaging.v1.SeriesCompleted',
    key: 'StudyInstanceUID',
    keyOf: (m) => m.studyInstanceUid,
    producers: ['study-index'],
    consumers: ['inference-orchestrator'],
  }),
  studyCompleted: topic({
    name: 'imaging.study.completed.v1',
    message: imaging.StudyCompleted,
    type: 'callosum.imaging.v1.StudyCompleted',
    key: 'StudyInstanceUID',
    keyOf: (m) => m.studyInstanceUid,
    producers: ['study-index'],
    consumers: ['inference-orchestrator', 'result-publisher'],
  }),
  studyLinked: topic({
    name: 'identity.study.linked.v1',
    message: identity.StudyLinked,
    type: 'callosum.identity.v1.StudyLinked',
    key: 'StudyInstanceUID',
    keyOf: (m) => m.studyInstanceUid,
    producers: ['identity-mapping'],
    consumers: ['result-publisher'],
  }),
  studyQuarantined: topic({
    name: 'identity.study.quarantined.v1',
    message: identity.StudyQuarantined,
    type: 'callosum.identity.v1.StudyQuarantined',
    key: 'StudyInstanceUID',
    keyOf: (m) => m.studyInstanceUid,
    producers: ['identity-mapping'],
    consumers: ['result-publisher'],
  }),
  jobScheduled: topic({
    name: 'inference.job.scheduled.v1',
    message: inference.JobScheduled,
    type: 'callosum.inference.v1.JobScheduled',
    key: 'job id',
    keyOf: (m) => m.jobId,
    producers: ['inference-orchestrator'],
    consumers: [{ external: 'site monitoring and the start command: shows that a model was asked, and why' }],
  }),
  jobCompleted: topic({
    name: 'inference.job.completed.v1',
    message: inference.JobCompleted,
    type: 'callosum.inference.v1.JobCompleted',
    key: 'job id',
    keyOf: (m) => m.jobId,
    producers: ['inference-orchestrator'],
    consumers: ['result-publisher'],
  }),
  jobFailed: topic({
    name: 'inference.job.failed.v1',
    message: inference.JobFailed,
    type: 'callosum.inference.v1.JobFailed',
    key: 'job id',
    keyOf: (m) => m.jobId,
    producers: ['inference-orchestrator'],
    consumers: ['result-publisher'],
  }),
  resultPublished: topic({
    name: 'results.result.published.v1',
    message: results.ResultPublished,
    type: 'callosum.results.v1.ResultPublished',
    key: 'StudyInstanceUID',
    keyOf: (m) => m.studyInstanceUid,
    producers: ['result-publisher'],
    consumers: [{ external: 'site monitoring and the start command: shows when and where a result can be read' }],
  }),
});

export const topicCatalogue: readonly Topic<never>[] = Object.freeze(
  Object.values(topics) as unknown as Topic<never>[],
);

/** Undefined when the name is in no catalogue. */
export function topicByName(name: string): Topic<never> | undefined {
  return topicCatalogue.find((topic) => topic.name === name);
}
