import { type Alert, grew, of } from './alert.js';

/** Studies, jobs and objects that stand still or want a person, and the room they need. */
export const studyAlerts: readonly Alert[] = [
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
    alert: 'CallosumStudyStandsStill',
    expr: `max ${of()} (callosum_completion_oldest_age) > 3600`,
    for: '5m',
    severity: 'warning',
    summary: 'a study has been kept from being complete for {{ $value | humanizeDuration }}',
    description:
      'Instances that a sender was promised are not indexed, or looking at the study fails. No model runs on it and the record has no result of it.',
  },
  {
    alert: 'CallosumCommitmentsWait',
    expr: `max ${of()} (callosum_dimse_commitments_oldest_age) > 4 * 3600`,
    for: '15m',
    severity: 'warning',
    summary: 'a storage commitment has waited for {{ $value | humanizeDuration }} to be reported',
    description:
      'A modality asked whether its images are safe and cannot be reached with the answer. It keeps them meanwhile, and its disk fills.',
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
];
