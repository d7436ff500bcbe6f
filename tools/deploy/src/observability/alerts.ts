import { services } from '@callosum/all-in-one/services';
import { stringify } from 'yaml';

import { burnAlerts, sloRecordings, slos } from './slos.js';

/** An alert as it is written here; its runbook is docs/runbooks/<alert>.md. */
export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  /** critical wakes somebody, warning is for the next working hour. */
  readonly severity: 'critical' | 'warning';
  readonly labels?: Readonly<Record<string, string>>;
  readonly summary: string;
  /** What happens and to whom; without anything of a patient, and without free text of errors. */
  readonly description: string;
}

const of = (...labels: string[]): string => `by (${['callosum_site', ...labels].join(', ')})`;

/** A counter that grew over a window, or appeared in it, which is no increase to PromQL; the window ended a while `ago`. */
const grew = (series: string, window: string, ago?: string): string => {
  const end = ago ? ` offset ${ago}` : '';
  const start = ago ? `${minutes(window) + minutes(ago)}m` : window;
  return `increase(${series}[${window}]${end}) > 0 or (${series}${end} unless ${series} offset ${start})`;
};
const minutes = (duration: string): number => Number(duration.replace(/m$/, ''));

/** What the chart writes on all it makes, whatever the release is called. */
const ours = 'app_kubernetes_io_part_of="callosum"';

/** One for each service: what is not there has no series that could be compared with anything. */
const absent = services.map(({ name }): Alert => {
  const there = `up{${ours}, app_kubernetes_io_component=~"${name}|all-in-one"}`;
  return {
    alert: 'CallosumServiceAbsent',
    // A site that was seen within a day: absent() knows no site, and would be content with that of another.
    expr: `group ${of()} (present_over_time(up{${ours}}[1d])) unless group ${of()} (${there})`,
    for: '5m',
    severity: 'critical',
    labels: { app_kubernetes_io_component: name },
    summary: '{{ $labels.app_kubernetes_io_component }}: no pod is there',
    description:
      'Not one replica is known to Prometheus, not even one that does not answer. What the service does waits.',
  };
});

/** What is wrong inside, often before people feel it. Replicas tell the same gauge of shared rows: `max`, not `sum`. */
export const causes: readonly Alert[] = [
  {
    alert: 'CallosumReplicaDown',
    expr: `up{${ours}, app_kubernetes_io_component!=""} == 0`,
    for: '5m',
    severity: 'warning',
    summary: '{{ $labels.app_kubernetes_io_component }}: a replica has not answered for 5 minutes',
    description: 'The metrics of a replica cannot be read. Others go on; with one replica its work waits.',
  },
  ...absent,
  {
    alert: 'CallosumCertificateEnds',
    // cert-manager renews ten days before the end of what the chart orders, Strimzi thirty.
    expr: `min ${of('callosum_service', 'callosum_certificate')} (callosum_certificate_remaining) < 7 * 86400`,
    for: '1h',
    severity: 'warning',
    summary:
      'the certificate {{ $labels.callosum_service }} shows ({{ $labels.callosum_certificate }}) ends in {{ $value | humanizeDuration }}',
    description: 'Its renewal did not come. When it has ended no new connection is made with it; those there go on.',
  },
  {
    alert: 'CallosumCertificateUnreadable',
    // Its end is not told then, so the alert before cannot hold.
    expr: `min ${of('callosum_service', 'callosum_certificate')} (callosum_certificate_readable) < 1`,
    for: '15m',
    severity: 'warning',
    summary:
      'the certificate {{ $labels.callosum_service }} shows ({{ $labels.callosum_certificate }}) cannot be read from its file',
    description: 'The one read before goes on to be used until it ends. A pod that starts has none to show.',
  },
  {
    alert: 'CallosumRestarts',
    // Of kube-state-metrics: a consumer that ended for good fails /healthz, and kubelet restarts the process.
    expr: 'sum by (namespace, pod, container) (increase(kube_pod_container_status_restarts_total{container=~"dimse-ingest|dicomweb|study-index|identity-mapping|inference-orchestrator|result-publisher|fhir-gateway|all-in-one"}[30m])) > 2',
    for: '0m',
    severity: 'critical',
    summary: '{{ $labels.container }} restarts again and again',
    description: 'A process ends or fails its liveness probe, as it does when a consumer ended for good.',
  },
  {
    alert: 'CallosumDatabaseAway',
    // A gauge that cannot be read is NaN, the only value that is not itself.
    expr: `count ${of('callosum_schema')} (callosum_outbox_rows != callosum_outbox_rows) > 0`,
    for: '5m',
    severity: 'critical',
    summary: 'the database does not answer for {{ $labels.callosum_schema }}',
    description: 'Counts of rows could not be read for 5 minutes. Stores are refused; senders keep their copies.',
  },
  {
    alert: 'CallosumConsumerLagGrows',
    expr: `max ${of('callosum_group', 'callosum_topic')} (callosum_consumer_lag) > 1000 and max ${of('callosum_group', 'callosum_topic')} (deriv(callosum_consumer_lag[15m])) > 0`,
    for: '15m',
    severity: 'warning',
    summary: '{{ $labels.callosum_group }} falls behind on {{ $labels.callosum_topic }}',
    description: 'More events come than are handled, and over a thousand wait. Studies take longer to get on.',
  },
  {
    alert: 'CallosumConsumerStalled',
    expr: `max ${of('callosum_group', 'callosum_topic')} (callosum_consumer_lag) > 0 unless sum ${of('callosum_group', 'callosum_topic')} (increase(callosum_events_total{callosum_outcome!~"replay.*"}[10m])) > 0`,
    for: '10m',
    severity: 'critical',
    summary: '{{ $labels.callosum_group }} handles nothing of {{ $labels.callosum_topic }}',
    description:
      'Events wait and none was tried for 10 minutes but what had been parked: the consumer hangs or has ended.',
  },
  {
    alert: 'CallosumOutboxOld',
    expr: `max ${of('callosum_schema')} (callosum_outbox_oldest_age) > 60`,
    for: '5m',
    severity: 'warning',
    summary: 'events of {{ $labels.callosum_schema }} have not reached the log for over a minute',
    description: 'The event log is away or slow. Nothing is lost: what was acknowledged waits in the outbox.',
  },
  {
    alert: 'CallosumOutboxStuck',
    expr: `max ${of('callosum_schema')} (callosum_outbox_oldest_age) > 900`,
    for: '5m',
    severity: 'critical',
    summary: 'events of {{ $labels.callosum_schema }} have not reached the log for {{ $value | humanizeDuration }}',
    description:
      'What is acknowledged is kept and goes no further: no study gets on. At CALLOSUM_OUTBOX_ROWS_MAX events stores are refused.',
  },
  {
    alert: 'CallosumRecordStandsStill',
    // No study at all: burn rates are shares of what came through, and say nothing when nothing does. What belongs in the
    // record is what was completed while studies were linked, or while nobody decided at all (as long as one may take to
    // arrive). Results in the archive are no record.
    expr: `sum ${of()} (${grew('callosum_study_completion_duration_count', '30m', '15m')}) > 0 and (sum ${of()} (${grew('callosum_identity_decisions_total{callosum_outcome="linked"}', '30m', '15m')}) > 0 or sum ${of()} (callosum_study_completion_duration_count) > 0 unless sum ${of()} (${grew('callosum_identity_decisions_total', '90m')}) > 0) unless sum ${of()} (${grew('callosum_publish_duration_count{callosum_sink="fhir",callosum_outcome="ok"}', '45m')}) > 0`,
    for: '10m',
    severity: 'critical',
    summary: 'studies are complete, and the record was told of none',
    description: 'No write to the record has succeeded for 45 minutes, though studies that belong there came before.',
  },
  {
    alert: 'CallosumOutboxFull',
    // At CALLOSUM_OUTBOX_ROWS_MAX what would add an event is refused; of several who write, the smallest refuses first.
    expr: `max ${of('callosum_schema')} (callosum_outbox_rows) > 0.8 * min ${of('callosum_schema')} (callosum_outbox_rows_max)`,
    for: '1m',
    severity: 'critical',
    summary: 'the outbox of {{ $labels.callosum_schema }} is almost full',
    description: 'At CALLOSUM_OUTBOX_ROWS_MAX rows stores are refused with A700 and 503.',
  },
  {
    alert: 'CallosumEventsParked',
    expr: `max ${of('callosum_group')} (callosum_parked_for_person) > 0`,
    for: '5m',
    severity: 'warning',
    summary: '{{ $labels.callosum_group }} has parked {{ $value }} events that wait for a person',
    description: 'Facts could not be handled; their studies stand still until a person replays or drops them.',
  },
  {
    alert: 'CallosumParkedRetried',
    // An outage that a partition waits out in place never lasts this long: what it held up is parked after four minutes.
    expr: `max ${of('callosum_group')} (callosum_parked_events) - max ${of('callosum_group')} (callosum_parked_for_person) > 0`,
    for: '15m',
    severity: 'warning',
    summary: 'something {{ $labels.callosum_group }} needs has been away for over 15 minutes; {{ $value }} events wait',
    description:
      'Facts found a dependency away and are tried again by themselves. Their studies stand still until it answers.',
  },
  {
    alert: 'CallosumPublicationsParked',
    expr: `max ${of('callosum_publication')} (callosum_publish_parked) > 0`,
    for: '5m',
    severity: 'critical',
    summary: '{{ $value }} publications ({{ $labels.callosum_publication }}) were refused for good',
    description:
      'The record does not say what a model found, or still says what was corrected. Nobody tries again by itself.',
  },
  {
    alert: 'CallosumParkedMany',
    expr: `max ${of('callosum_group')} (callosum_parked_events) > 100`,
    for: '5m',
    severity: 'critical',
    summary: '{{ $labels.callosum_group }} has parked {{ $value }} events',
    description: 'So many at once are a defect or a dependency that is away for long, not a study.',
  },
  {
    alert: 'CallosumParkedOld',
    expr: `max ${of('callosum_group')} (callosum_parked_oldest_age) > 4 * 3600`,
    for: '5m',
    severity: 'critical',
    summary: 'an event parked by {{ $labels.callosum_group }} has waited for {{ $value | humanizeDuration }}',
    description: 'Nobody mended the cause for four hours; the study is missing from the record or stale in it.',
  },
  {
    alert: 'CallosumStudyStandsStill',
    expr: `max ${of()} (callosum_completion_oldest_age) > 3600`,
    for: '5m',
    severity: 'warning',
    summary: 'a study has been kept from being complete for {{ $value | humanizeDuration }}',
    description:
      'Instances that a sender was promised are not indexed, or looking at the study fails. No model runs on it and the record has no result of it.',
  },
  {
    alert: 'CallosumQuarantineOld',
    expr: `max ${of()} (callosum_quarantine_oldest_age) > 8 * 3600`,
    for: '15m',
    severity: 'warning',
    summary: 'a study has waited for the identity desk for {{ $value | humanizeDuration }}',
    description: 'A shift has gone by and nobody said whose a study is. Nothing of it is in the record.',
  },
  {
    alert: 'CallosumNoWorker',
    expr: `max ${of('callosum_model')} (callosum_inference_jobs_queued) > 0 unless sum ${of('callosum_model')} (increase(callosum_inference_wait_count[15m])) > 0`,
    for: '15m',
    severity: 'critical',
    summary: 'no worker takes jobs of {{ $labels.callosum_model }}',
    description: 'Jobs are queued and none was taken for 15 minutes: no worker is connected, or all are at work.',
  },
  {
    alert: 'CallosumJobsWait',
    expr: `max ${of('callosum_model')} (callosum_inference_jobs_queued) > 0`,
    for: '30m',
    severity: 'warning',
    summary: 'jobs of {{ $labels.callosum_model }} have waited for a worker for 30 minutes',
    description: 'The queue was never empty for half an hour: there are too few workers, or they are too slow.',
  },
  {
    alert: 'CallosumJobsFail',
    expr: `sum ${of('callosum_model')} (increase(callosum_inference_attempts_failed_total[1h])) > 0.5 * (sum ${of('callosum_model')} (increase(callosum_inference_attempts_failed_total[1h])) + sum ${of('callosum_model')} (increase(callosum_inference_run_count[1h]))) and sum ${of('callosum_model')} (increase(callosum_inference_attempts_failed_total[1h])) > 5`,
    for: '10m',
    severity: 'warning',
    summary: 'most attempts of {{ $labels.callosum_model }} give no result',
    description: 'More than half of the attempts of an hour failed. Jobs that use up theirs end as a failed Task.',
  },
  {
    alert: 'CallosumArchiveConflict',
    // A counter appears with its first value, of which increase() knows nothing.
    expr: `sum ${of('callosum_decision')} (${grew('callosum_archive_conflicts_total', '1h')}) > 0`,
    for: '0m',
    severity: 'warning',
    summary: 'an object came under a SOPInstanceUID that another one has ({{ $labels.callosum_decision }})',
    description: 'Both are kept and the first stays current. A person should look which one is right.',
  },
  {
    alert: 'CallosumUnknownBlobs',
    // Read once an hour by the replica that sweeps, of blobs older than a day; the others know nothing.
    expr: `max ${of()} (callosum_archive_unknown_blobs) > 0`,
    for: '5m',
    severity: 'critical',
    summary: '{{ $value }} objects in the store are known to no row of the ledger',
    description:
      'The database is older than the object store: acknowledged objects are in no study that people see until a reindex.',
  },
  {
    alert: 'CallosumDiskLow',
    expr: `min ${of()} (callosum_disk_free) < 50 * 1024 * 1024 * 1024 or min ${of()} (predict_linear(callosum_disk_free[6h], 3 * 86400)) < 0`,
    for: '30m',
    severity: 'warning',
    summary: 'the disk under the object store fills up',
    description: 'Less than 50 GiB are free, or none will be in three days. Nothing deletes studies.',
  },
  {
    alert: 'CallosumDiskAlmostFull',
    expr: `min ${of()} (callosum_disk_free) < 5 * 1024 * 1024 * 1024`,
    for: '1m',
    severity: 'critical',
    summary: '{{ $value | humanize1024 }}B are free under the object store',
    description: 'Below CALLOSUM_DISK_FREE_BYTES_MIN (1 GiB) every store is refused; reads go on.',
  },
  {
    alert: 'CallosumAuthDenied',
    expr: `sum ${of('callosum_service', 'callosum_listener', 'error_type')} (increase(callosum_auth_denied_total[5m])) > 100`,
    for: '5m',
    severity: 'warning',
    summary:
      '{{ $labels.callosum_service }} refuses callers ({{ $labels.callosum_listener }}, {{ $labels.error_type }})',
    description:
      'Over a hundred calls in 5 minutes had no good credentials: an expired one, a wrong set-up, or a guesser.',
  },
];

const rule = ({ alert, expr, for: pending, severity, labels, summary, description }: Alert) => ({
  alert,
  expr,
  for: pending,
  labels: { severity, ...labels },
  annotations: { summary, description, runbook_url: `docs/runbooks/${alert}.md` },
});

/** helm/callosum/files/alerts.yaml: groups of a PrometheusRule, which Prometheus reads as a rule file too. */
export const alertsFile = (): string =>
  stringify(
    {
      groups: [
        // Ratios and the alerts on them are one group: its rules are evaluated in order and at one moment, groups are not.
        ...slos.map((slo) => ({
          name: `callosum-slo-${slo.name.replaceAll('_', '-')}`,
          rules: [...sloRecordings([slo]), ...burnAlerts([slo]).map(rule)],
        })),
        { name: 'callosum-causes', rules: causes.map(rule) },
      ],
    },
    { aliasDuplicateObjects: false, lineWidth: 0 },
  );
