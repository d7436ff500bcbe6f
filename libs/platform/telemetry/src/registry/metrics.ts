import { dimseMetrics } from './dimse-metrics.js';
import { eventBounds, jobBounds, type MetricDefinition, requestBounds, studyBounds } from './metric-definition.js';

export type { MetricDefinition } from './metric-definition.js';

/** Every metric Callosum has. Prometheus writes dots as underscores and adds `_total` to counters. */
export const metricRegistry = {
  ...dimseMetrics,
  'http.server.request.duration': {
    kind: 'histogram',
    unit: 's',
    labels: ['callosum.service', 'http.request.method', 'http.route', 'http.response.status_code'],
    meaning: 'HTTP requests, from their headers to the end of the response',
    bounds: requestBounds,
  },
  'rpc.server.call.duration': {
    kind: 'histogram',
    unit: 's',
    labels: ['callosum.service', 'rpc.method', 'rpc.response.status_code'],
    meaning: 'gRPC calls answered; a stream counts when it ends',
    bounds: requestBounds,
  },
  'callosum.auth.denied': {
    kind: 'counter',
    unit: '{call}',
    labels: ['callosum.service', 'callosum.listener', 'error.type'],
    meaning: 'Calls refused for who made them',
  },
  'callosum.certificate.readable': {
    kind: 'gauge',
    unit: '{file}',
    labels: ['callosum.service', 'callosum.certificate'],
    meaning: '1 for a certificate the service shows whose file can be read, 0 for one that cannot',
  },
  'callosum.certificate.remaining': {
    kind: 'gauge',
    unit: 's',
    labels: ['callosum.service', 'callosum.certificate'],
    meaning: 'Time until a certificate the service shows ends; below 0 it has',
  },
  'callosum.events': {
    kind: 'counter',
    unit: '{attempt}',
    labels: ['callosum.topic', 'callosum.group', 'callosum.outcome'],
    meaning:
      'Attempts to handle an event, by outcome: handled, retried, parked; of what was parked: replayed, replay-failed',
  },
  'callosum.events.age': {
    kind: 'histogram',
    unit: 's',
    labels: ['callosum.topic', 'callosum.group'],
    meaning: 'From a fact to the end of its handling: the lag of a consumer as people feel it',
    bounds: eventBounds,
  },
  'callosum.events.duration': {
    kind: 'histogram',
    unit: 's',
    labels: ['callosum.topic', 'callosum.group', 'callosum.outcome'],
    meaning: 'One attempt to handle an event, also of what was parked',
    bounds: requestBounds,
  },
  'callosum.consumer.lag': {
    kind: 'gauge',
    unit: '{event}',
    labels: ['callosum.group', 'callosum.topic'],
    meaning: "Events behind a group's position; where the log is PostgreSQL counted to 100,000 a partition",
  },
  'callosum.outbox.rows': {
    kind: 'gauge',
    unit: '{event}',
    labels: ['callosum.schema'],
    meaning: 'Events waiting in an outbox, at most 100,000',
  },
  'callosum.outbox.rows_max': {
    kind: 'gauge',
    unit: '{event}',
    labels: ['callosum.schema'],
    meaning: 'Events an outbox may hold for the service that tells it (CALLOSUM_OUTBOX_ROWS_MAX); then it refuses more',
  },
  'callosum.outbox.oldest_age': {
    kind: 'gauge',
    unit: 's',
    labels: ['callosum.schema'],
    meaning: 'Age of the oldest event in an outbox; 0 when it is empty',
  },
  'callosum.parked.events': {
    kind: 'gauge',
    unit: '{event}',
    labels: ['callosum.group'],
    meaning: 'Events that failed for good or while something was away, or lie behind one',
  },
  'callosum.parked.for_person': {
    kind: 'gauge',
    unit: '{event}',
    labels: ['callosum.group'],
    meaning:
      'Those of the parked events that a person must mend, replay or drop; the others are tried again by themselves',
  },
  'callosum.parked.oldest_age': {
    kind: 'gauge',
    unit: 's',
    labels: ['callosum.group'],
    meaning: 'How long the oldest parked event has lain; 0 when there is none',
  },
  'callosum.disk.free': {
    kind: 'gauge',
    unit: 'By',
    labels: [],
    meaning:
      'Free space of the disk under the object store (files); below CALLOSUM_DISK_FREE_BYTES_MIN writes are refused',
  },
  'callosum.archive.conflicts': {
    kind: 'counter',
    unit: '{instance}',
    labels: ['callosum.decision'],
    meaning: 'Objects kept beside another of their SOPInstanceUID, by what conflicts: a person should look',
  },
  'callosum.archive.unknown_blobs': {
    kind: 'gauge',
    unit: '{blob}',
    labels: [],
    meaning:
      'Blobs older than a day that no row knows, as the last sweep of the replica that sweeps left them, at least so many from 100,000 on; above 0 the database is older than the blobs',
  },
  'callosum.study.completion.duration': {
    kind: 'histogram',
    unit: 's',
    labels: [],
    meaning: "From a study's first instance to its first completion",
    bounds: studyBounds,
  },
  'callosum.completion.waiting': {
    kind: 'gauge',
    unit: '{study}',
    labels: [],
    meaning:
      'Studies whose quiet period is over and that are not complete: acknowledged instances are not indexed, or looking at the study fails',
  },
  'callosum.completion.oldest_age': {
    kind: 'gauge',
    unit: 's',
    labels: [],
    meaning:
      'How long the study that waits longest has been kept from being complete, since its quiet period or its last indexed instance; 0 when none waits',
  },
  'callosum.completion.held': {
    kind: 'gauge',
    unit: '{study}',
    labels: [],
    meaning:
      'Studies whose quiet period is over and that their procedure steps (MPPS) hold back for a limited time: one is in progress, or stated instances have not come',
  },
  'callosum.identity.decisions': {
    kind: 'counter',
    unit: '{decision}',
    labels: ['callosum.outcome', 'callosum.decided_by'],
    meaning: 'Decisions whose a study is: linked, quarantined',
  },
  'callosum.identity.link.duration': {
    kind: 'histogram',
    unit: 's',
    labels: ['callosum.decided_by'],
    meaning:
      "From the fact that changed a study's identity attributes to its link; after a quarantine, from that to a person's decision",
    bounds: studyBounds,
  },
  'callosum.quarantine.studies': {
    kind: 'gauge',
    unit: '{study}',
    labels: [],
    meaning: 'Studies waiting for a person to say whose they are',
  },
  'callosum.quarantine.oldest_age': {
    kind: 'gauge',
    unit: 's',
    labels: [],
    meaning: 'How long the study that came first has waited for a person; 0 when none waits',
  },
  'callosum.inference.jobs.queued': {
    kind: 'gauge',
    unit: '{job}',
    labels: ['callosum.model'],
    meaning: 'Jobs waiting for a worker',
  },
  'callosum.inference.wait': {
    kind: 'histogram',
    unit: 's',
    labels: ['callosum.model'],
    meaning: 'Time a job waited for its first worker',
    bounds: jobBounds,
  },
  'callosum.inference.run': {
    kind: 'histogram',
    unit: 's',
    labels: ['callosum.model'],
    meaning: 'Time the attempt took that gave the accepted result',
    bounds: jobBounds,
  },
  'callosum.inference.jobs.ended': {
    kind: 'counter',
    unit: '{job}',
    labels: ['callosum.model', 'callosum.outcome'],
    meaning: 'Jobs that ended: completed, or why not',
  },
  'callosum.inference.attempts.failed': {
    kind: 'counter',
    unit: '{attempt}',
    labels: ['callosum.model', 'callosum.failure'],
    meaning: 'Attempts without a result',
  },
  'callosum.publish.duration': {
    kind: 'histogram',
    unit: 's',
    labels: ['callosum.sink', 'callosum.outcome'],
    meaning: 'One write to a sink: ok, or the code of the error',
    bounds: requestBounds,
  },
  'callosum.publish.parked': {
    kind: 'gauge',
    unit: '{publication}',
    labels: ['callosum.publication'],
    meaning: 'Publications that were refused for good: what they say is not in the record',
  },
  'callosum.study.end_to_end.duration': {
    kind: 'histogram',
    unit: 's',
    labels: ['callosum.publication'],
    meaning: "From a study's first instance to what was written of its first revision in FHIR",
    bounds: studyBounds,
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type MetricName = keyof typeof metricRegistry;
export type MetricOf<K extends MetricDefinition['kind']> = {
  [N in MetricName]: (typeof metricRegistry)[N]['kind'] extends K ? N : never;
}[MetricName];
/** Exactly the labels of a metric. */
export type Labels<N extends MetricName> = Readonly<
  Record<(typeof metricRegistry)[N]['labels'][number], string | number>
>;
