import { type Dashboard, most, type Panel, perSecond, quantile, series } from './panels.js';
import { ratioName, type Slo, sloDays, slos } from './slos.js';

const budget = (slo: Slo): Panel => ({
  title: slo.title,
  description: `Budget used at the speed of the last 6 hours: 1 lasts exactly ${sloDays} days, above 6 somebody is woken. Promised: ${slo.objective * 100} %. ${slo.description}`,
  unit: 'short',
  type: 'stat',
  runbook: slo.alert,
  queries: [[`max (${series(ratioName(slo, '6h'))}) / ${Number((1 - slo.objective).toFixed(6))}`, 'times the budget']],
});

const step = (title: string, metric: string, description: string, runbook: string, labels: string[] = []): Panel => ({
  title,
  description,
  unit: 's',
  runbook,
  queries: [
    [quantile(0.5, metric, labels), ['p50', ...labels.map((label) => `{{${label}}}`)].join(' ')],
    [quantile(0.95, metric, labels), ['p95', ...labels.map((label) => `{{${label}}}`)].join(' ')],
  ],
});

export const overview: Dashboard = {
  uid: 'callosum-overview',
  title: 'Callosum: a study from end to end',
  description: 'What is promised to people, and how long each step of a study takes.',
  variables: [['service', 'Service', 'http_server_request_duration_count']],
  rows: [
    { title: 'What is promised', panels: slos.map(budget) },
    {
      title: 'Share of bad answers',
      panels: slos.map((slo) => ({
        title: slo.title,
        description: `Share of bad answers over an hour; ${Number(((1 - slo.objective) * 100).toFixed(3))} % are allowed. Both windows of an alert have to be above its limit.`,
        unit: 'percentunit' as const,
        runbook: slo.alert,
        queries: ['5m', '1h', '6h'].map(
          (window) =>
            [`max by (callosum_site) (${series(ratioName(slo, window))})`, `${window} {{callosum_site}}`] as const,
        ),
      })),
    },
    {
      title: 'The way of a study',
      panels: [
        step(
          'First instance to the record',
          'callosum_study_end_to_end_duration',
          'From the first instance to what was written of its first revision in FHIR, by what was written. Includes the time the sender took, the quiet period, and people in a quarantine.',
          'stuck-study',
          ['callosum_publication'],
        ),
        step(
          'First instance to complete',
          'callosum_study_completion_duration',
          'How long until no more instances came for the quiet period. It is the sender who makes this long.',
          'stuck-study',
        ),
        step(
          'Link to a Patient',
          'callosum_identity_link_duration',
          'From the fact that changed the identity to the link; after a quarantine to the decision of a person.',
          'quarantine',
          ['callosum_decided_by'],
        ),
        step(
          'Wait for a worker',
          'callosum_inference_wait',
          'From a queued job to its first worker, by model.',
          'CallosumJobsWait',
          ['callosum_model'],
        ),
        step(
          'Run of a model',
          'callosum_inference_run',
          'The attempt that gave the accepted result, by model.',
          'CallosumJobsFail',
          ['callosum_model'],
        ),
        step(
          'Write to a sink',
          'callosum_publish_duration',
          'One write to the archive or to FHIR, good or bad.',
          'CallosumPublishBudgetBurn',
          ['callosum_sink'],
        ),
      ],
    },
    {
      title: 'What waits for a person',
      panels: [
        {
          title: 'Quarantined studies',
          description: 'Studies nobody has said whose they are; nothing of them is in the record.',
          unit: 'short',
          type: 'stat',
          runbook: 'quarantine',
          queries: [[most('callosum_quarantine_studies', []), 'studies']],
        },
        {
          title: 'Parked events',
          description: 'Facts that could not be handled, or wait for something that is away, over all services.',
          unit: 'short',
          type: 'stat',
          runbook: 'parked-work',
          queries: [[`sum (${most('callosum_parked_events', ['callosum_group'])})`, 'events']],
        },
        {
          title: 'Queued jobs',
          description: 'Jobs without a worker, over all models.',
          unit: 'short',
          type: 'stat',
          runbook: 'CallosumNoWorker',
          queries: [[`sum (${most('callosum_inference_jobs_queued', ['callosum_model'])})`, 'jobs']],
        },
        {
          title: 'HTTP failures',
          description: '5xx a second of the chosen services.',
          unit: 'ops',
          type: 'stat',
          runbook: 'CallosumHttpBudgetBurn',
          queries: [
            [
              perSecond(
                'http_server_request_duration_count',
                [],
                'callosum_service=~"$service"',
                'http_response_status_code=~"5.."',
              ),
              'failures',
            ],
          ],
        },
      ],
    },
  ],
};
