import { stringify } from 'yaml';

import type { Alert } from './alert.js';
import { eventAlerts } from './event.alerts.js';
import { processAlerts } from './process.alerts.js';
import { burnAlerts, sloRecordings, slos } from './slos.js';
import { studyAlerts } from './study.alerts.js';

/** What is wrong inside, often before people feel it. Replicas tell the same gauge of shared rows: `max`, not `sum`. */
export const causes: readonly Alert[] = [...processAlerts, ...eventAlerts, ...studyAlerts];

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
