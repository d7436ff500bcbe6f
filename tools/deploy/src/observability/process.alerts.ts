import { services } from '@callosum/all-in-one/services';

import { type Alert, of } from './alert.js';

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

/** Processes that are not there, or cannot reach or show what they must, and who is let in. */
export const processAlerts: readonly Alert[] = [
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
