import { type Alert, of } from './alert.js';

/** Facts and publications that wait: in outboxes, in the log, set aside. */
export const eventAlerts: readonly Alert[] = [
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
    alert: 'CallosumForwardingFailed',
    expr: `max ${of('dicom_destination_ae')} (callosum_forward_failed) > 0`,
    for: '5m',
    severity: 'warning',
    summary: '{{ $value }} instances were refused for good by {{ $labels.dicom_destination_ae }}',
    description: 'The destination is without them until a person mends the cause and retries, or drops them.',
  },
  {
    alert: 'CallosumForwardingOld',
    expr: `max ${of('dicom_destination_ae')} (callosum_forward_oldest_age) > 3600`,
    for: '5m',
    severity: 'warning',
    summary: 'instances have waited for {{ $labels.dicom_destination_ae }} for {{ $value | humanizeDuration }}',
    description: 'The destination is away, refuses us, or is slower than what comes. Nothing is lost; others go on.',
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
];
