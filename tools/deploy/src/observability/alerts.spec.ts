import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

import { promtool } from '../binaries.js';
import { objectsOf, render, variants } from '../chart.js';
import { repositoryRoot } from '../repository.js';
import { examine, knownSeries } from './promql.js';

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

const read = (path: string): string => readFileSync(join(repositoryRoot, path), 'utf8');
const list = (path: string): string[] => readdirSync(join(repositoryRoot, path));

const { groups } = parse(read('helm/callosum/files/alerts.yaml')) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const alerts = rules.filter(({ alert }) => alert !== undefined);
const known = knownSeries(rules.flatMap(({ record }) => record ?? []));
const problemsOf = (query: string): string[] => examine(query, known).problems;

/** Alerts without a page, and pages of alerts that are not there. */
function pagesAgainst(told: readonly Rule[], files: readonly string[]): string[] {
  const wanted = new Set(told.map(({ alert }) => `${alert}.md`));
  return [
    ...[...wanted].filter((page) => !files.includes(page)).map((page) => `${page} is missing`),
    ...files.filter((file) => /^Callosum.*\.md$/.test(file) && !wanted.has(file)).map((file) => `${file} has no alert`),
  ];
}

describe('the alerts', () => {
  it('ask for series and labels that are registered', () => {
    expect(rules.length).toBeGreaterThan(40);
    expect(rules.flatMap(({ expr }) => problemsOf(expr))).toEqual([]);
  });

  it('stand in the group of the ratios they are about, behind them', () => {
    for (const { rules: inOrder } of groups)
      for (const [at, { alert = '', expr }] of inOrder.entries())
        for (const [ratio] of alert ? expr.matchAll(/\bcallosum:[\w:]+/g) : [])
          expect(
            inOrder.slice(0, at).map(({ record }) => record),
            alert,
          ).toContain(ratio);
  });

  it('say how bad it is, what it is and where to read on', () => {
    for (const { alert = '', labels, annotations } of alerts) {
      expect(labels?.['severity'], alert).toMatch(/^(critical|warning)$/);
      expect(annotations?.['summary'], alert).toMatch(/\w{3}/);
      expect(annotations?.['description'], alert).toMatch(/\w{3}.*\.$/);
      expect(annotations?.['runbook_url'], alert).toBe(`docs/runbooks/${alert}.md`);
    }
  });

  it('each have a runbook, and each runbook of an alert its alert', () => {
    expect(pagesAgainst(alerts, list('docs/runbooks'))).toEqual([]);
  });

  it('name only labels that their query leaves, in what people read', () => {
    for (const { alert = '', expr, labels = {}, annotations = {} } of alerts) {
      for (const text of Object.values(annotations))
        for (const [, label = ''] of text.matchAll(/\$labels\.(\w+)/g))
          expect(expr.includes(label) || label in labels, `${alert}: ${label}`).toBe(true);
    }
  });

  it('are rendered by the chart with the site and where the runbooks are', () => {
    const text = render(variants['prod'] ?? [], ['--set', 'monitoring.runbooks=https://wiki.example.org/callosum']);
    const rule = objectsOf(text).find(({ kind }) => kind === 'PrometheusRule');
    const rendered = (rule?.spec as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);
    expect(rendered.map(({ expr }) => expr)).toEqual(rules.map(({ expr }) => expr));
    expect(rendered.at(-1)?.annotations?.['runbook_url']).toBe(
      `https://wiki.example.org/callosum/${rendered.at(-1)?.alert}.md`,
    );
    const monitor = objectsOf(text).find(({ kind }) => kind === 'ServiceMonitor');
    expect(JSON.stringify(monitor?.spec)).toContain('"targetLabel":"callosum_site"');
  });

  it.each([
    ['check', 'rules', 'helm/callosum/files/alerts.yaml'],
    ['test', 'rules', 'tools/deploy/rules/alerts.test.yaml'],
    ['test', 'rules', 'tools/deploy/rules/slow-burn.test.yaml'],
  ])('promtool %s %s passes', (...args) => {
    const { status, stdout, stderr } = spawnSync(promtool(), args, { cwd: repositoryRoot, encoding: 'utf8' });
    expect(status, stdout + stderr).toBe(0);
  });
});

// What a careless edit would do, and what has to be said of it.
describe('the check', () => {
  it.each([
    ['sum(rate(callosum_planted_total[5m]))', 'callosum_planted_total is not registered'],
    ['sum(rate(callosum_events[5m]))', 'callosum_events is not registered'],
    ['callosum_inference_wait', 'callosum_inference_wait is not registered'],
    ['callosum_outbox_rows{callosum_group="x"}', 'callosum_outbox_rows has no label callosum_group'],
    ['max by (callosum_topic) (callosum_outbox_rows)', 'nothing has the label callosum_topic that is grouped by'],
    [
      'rate(callosum_study_end_to_end_duration_bucket{le="700"}[5m])',
      'callosum_study_end_to_end_duration_bucket has no bucket up to 700',
    ],
    ['rate(callosum_outbox_rows[5m])', 'rate of callosum_outbox_rows, which is a gauge'],
    ['deriv(callosum_events_total[5m])', 'deriv of callosum_events_total, which is a counter'],
    ['{callosum_group="x"}', 'a selector without a name is not registered'],
    ['sum by (callosum_group (callosum_parked_events)', 'no PromQL at character'],
    ['max(callosum:planted_errors:ratio_rate5m)', 'callosum:planted_errors:ratio_rate5m is not registered'],
  ])('%s is noticed', (query, problem) => {
    expect(problemsOf(query).join('\n')).toContain(problem);
  });

  it('notices an alert without a page, and a page without an alert', () => {
    const planted = { alert: 'CallosumPlanted', expr: 'up' };
    expect(pagesAgainst([...alerts, planted], list('docs/runbooks'))).toEqual(['CallosumPlanted.md is missing']);
    expect(pagesAgainst(alerts, [...list('docs/runbooks'), 'CallosumPlanted.md'])).toEqual([
      'CallosumPlanted.md has no alert',
    ]);
  });
});
