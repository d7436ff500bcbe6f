import { type Dashboard, most, perSecond, quantile } from './panels.js';

const model = 'callosum_model=~"$model"';

export const inference: Dashboard = {
  uid: 'callosum-inference',
  title: 'Callosum: inference, results and identity',
  description: 'Jobs from the queue to a result, what is written of them, and whose the studies are.',
  variables: [['model', 'Model', 'callosum_inference_jobs_queued']],
  rows: [
    {
      title: 'Jobs',
      panels: [
        {
          title: 'Queue',
          description: 'Jobs waiting for a worker, by model. One that only rises has no worker.',
          unit: 'short',
          runbook: 'CallosumNoWorker',
          queries: [[most('callosum_inference_jobs_queued', ['callosum_model'], model), '{{callosum_model}}']],
        },
        {
          title: 'Wait for a worker',
          description: 'From queued to the first worker.',
          unit: 's',
          runbook: 'CallosumJobsWait',
          queries: [
            [quantile(0.5, 'callosum_inference_wait', ['callosum_model'], model), 'p50 {{callosum_model}}'],
            [quantile(0.95, 'callosum_inference_wait', ['callosum_model'], model), 'p95 {{callosum_model}}'],
          ],
        },
        {
          title: 'Run',
          description: 'Time of the attempt that gave the accepted result.',
          unit: 's',
          runbook: 'CallosumJobsFail',
          queries: [
            [quantile(0.5, 'callosum_inference_run', ['callosum_model'], model), 'p50 {{callosum_model}}'],
            [quantile(0.95, 'callosum_inference_run', ['callosum_model'], model), 'p95 {{callosum_model}}'],
          ],
        },
        {
          title: 'Jobs ended',
          description: 'By how they ended: completed, or why not.',
          unit: 'ops',
          runbook: 'CallosumJobsFail',
          queries: [
            [
              perSecond('callosum_inference_jobs_ended_total', ['callosum_model', 'callosum_outcome'], model),
              '{{callosum_model}} {{callosum_outcome}}',
            ],
          ],
        },
        {
          title: 'Failed attempts',
          description: 'Attempts without a result, by why. A job is offered again until CALLOSUM_JOB_ATTEMPTS_MAX.',
          unit: 'ops',
          runbook: 'CallosumJobsFail',
          queries: [
            [
              perSecond('callosum_inference_attempts_failed_total', ['callosum_model', 'callosum_failure'], model),
              '{{callosum_model}} {{callosum_failure}}',
            ],
          ],
        },
        {
          title: 'Workers refused',
          description: 'Calls on the worker port without a good credential.',
          unit: 'ops',
          runbook: 'CallosumAuthDenied',
          queries: [
            [perSecond('callosum_auth_denied_total', ['error_type'], 'callosum_listener="workers"'), '{{error_type}}'],
          ],
        },
      ],
    },
    {
      title: 'Results',
      panels: [
        {
          title: 'Writes by sink',
          description: 'Writes a second to archive and FHIR, by outcome: ok, or the code of the error.',
          unit: 'ops',
          runbook: 'CallosumPublishBudgetBurn',
          queries: [
            [
              perSecond('callosum_publish_duration_count', ['callosum_sink', 'callosum_outcome']),
              '{{callosum_sink}} {{callosum_outcome}}',
            ],
          ],
        },
        {
          title: 'Time of a write',
          description: 'One write to a sink, p50 and p95.',
          unit: 's',
          runbook: 'CallosumPublishBudgetBurn',
          queries: [
            [quantile(0.5, 'callosum_publish_duration', ['callosum_sink']), 'p50 {{callosum_sink}}'],
            [quantile(0.95, 'callosum_publish_duration', ['callosum_sink']), 'p95 {{callosum_sink}}'],
          ],
        },
        {
          title: 'First instance to the record',
          description: 'p95 from a study’s first instance to what was written of its first revision in FHIR.',
          unit: 's',
          runbook: 'CallosumEndToEndBudgetBurn',
          queries: [
            [
              quantile(0.95, 'callosum_study_end_to_end_duration', ['callosum_publication']),
              '{{callosum_publication}}',
            ],
          ],
        },
      ],
    },
    {
      title: 'Identity',
      panels: [
        {
          title: 'Decisions',
          description: 'Whose a study is, by outcome and by rules or a person.',
          unit: 'ops',
          runbook: 'quarantine',
          queries: [
            [
              perSecond('callosum_identity_decisions_total', ['callosum_outcome', 'callosum_decided_by']),
              '{{callosum_outcome}} by {{callosum_decided_by}}',
            ],
          ],
        },
        {
          title: 'Quarantined studies',
          description: 'Studies that wait for a person.',
          unit: 'short',
          runbook: 'quarantine',
          queries: [[most('callosum_quarantine_studies', []), 'studies']],
        },
        {
          title: 'Longest wait in quarantine',
          description: 'How long the study that came first has waited.',
          unit: 's',
          runbook: 'CallosumQuarantineOld',
          queries: [[most('callosum_quarantine_oldest_age', []), 'oldest']],
        },
        {
          title: 'Time to link',
          description: 'By rules from the fact that asked for it; by a person from the quarantine.',
          unit: 's',
          runbook: 'quarantine',
          queries: [
            [quantile(0.95, 'callosum_identity_link_duration', ['callosum_decided_by']), 'p95 {{callosum_decided_by}}'],
          ],
        },
      ],
    },
  ],
};
