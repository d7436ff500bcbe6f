import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';

import { promtool } from '../binaries.js';
import { repositoryRoot } from '../repository.js';
import { examine, knownSeries, selected } from './promql.js';
import { sloRecordings } from './slos.js';

interface GrafanaPanel {
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: unknown;
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly links?: readonly { readonly url: string }[];
  readonly targets?: readonly { readonly expr: string }[];
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
}
interface GrafanaDashboard {
  readonly uid: string;
  readonly panels: readonly GrafanaPanel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
}

const read = (path: string): string => readFileSync(join(repositoryRoot, path), 'utf8');
const list = (path: string): string[] => readdirSync(join(repositoryRoot, path));
const known = knownSeries(sloRecordings().map(({ record }) => record));
const dashboards = list('deploy/grafana/dashboards').map(
  (file) => JSON.parse(read(`deploy/grafana/dashboards/${file}`)) as GrafanaDashboard,
);
const panelsOf = ({ panels }: GrafanaDashboard): GrafanaPanel[] => panels.filter(({ type }) => type !== 'row');
const problemsOf = (query: string): string[] => examine(query, known).problems;

describe('the dashboards', () => {
  it('are four', () => {
    expect(dashboards.map(({ uid }) => uid)).toEqual([
      'callosum-imaging',
      'callosum-inference',
      'callosum-overview',
      'callosum-platform',
    ]);
  });

  it.each(dashboards.map((one) => [one.uid, one] as const))('%s asks for what is registered, at one site', (_, one) => {
    const queries = panelsOf(one).flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    expect(queries.length).toBeGreaterThan(10);
    expect(queries.flatMap(problemsOf)).toEqual([]);
    for (const selector of queries.flatMap(selected)) expect(selector).toContain('callosum_site=~"$site"');
    for (const { name, query } of one.templating.list) {
      const values = /label_values\((\w+), (\w+)\)/.exec(JSON.stringify(query));
      if (values) expect(problemsOf(`count by (${values[2]}) (${values[1]})`), name).toEqual([]);
    }
    const variables = new Set(one.templating.list.map(({ name }) => name));
    const used = [...JSON.stringify(one.panels).matchAll(/\$\{?(\w+)/g)].flatMap(([, name = '']) => name);
    expect(used.filter((name) => !variables.has(name) && name !== '__rate_interval')).toEqual([]);
  });

  it.each(dashboards.map((one) => [one.uid, one] as const))(
    '%s explains every panel, in the unit of what it shows, with a runbook that exists',
    (_, one) => {
      for (const { title, description, fieldConfig, links = [], targets = [] } of panelsOf(one)) {
        expect(description, title).toMatch(/\w.*\.$/);
        expect(
          targets.flatMap(({ expr }) => unitProblems(expr, fieldConfig?.defaults.unit)),
          title,
        ).toEqual([]);
        const pages = links.map(({ url }) => url.replace('${runbooks}/', ''));
        expect(pages.length, title).toBeGreaterThan(0);
        for (const page of pages) expect(list('docs/runbooks'), title).toContain(page);
      }
    },
  );

  it.each(dashboards.map((one) => [one.uid, one] as const))('%s has no panel over another', (_, { panels }) => {
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (__, cell) => `${x + (cell % w)} ${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBeLessThanOrEqual(24);
  });

  it('hold queries that Prometheus itself takes, types and all', () => {
    const queries = dashboards.flatMap((one) =>
      panelsOf(one).flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    );
    const check = (expressions: readonly string[]) => {
      const rules = expressions.map((query, index) => ({
        record: `query:${index}`,
        expr: query.replaceAll('$__rate_interval', '5m'),
      }));
      const folder = mkdtempSync(join(tmpdir(), 'callosum-rules-'));
      try {
        const file = join(folder, 'rules.yaml');
        writeFileSync(file, stringify({ groups: [{ name: 'queries', rules }] }, { aliasDuplicateObjects: false }));
        return spawnSync(promtool(), ['check', 'rules', file], { encoding: 'utf8' });
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    };
    const { status, stderr } = check(queries);
    expect(status, stderr).toBe(0);
    expect(check(['rate(sum(callosum_events_total))']).status).not.toBe(0);
  });

  it('are provisioned from the folder they lie in', () => {
    const { providers } = parse(read('deploy/grafana/provisioning/dashboards/callosum.yaml')) as {
      providers: { type: string; options: { path: string } }[];
    };
    expect(providers[0]?.options.path).toBe('/etc/grafana/callosum/dashboards');
    expect(read('docs/guides/sre.md')).toContain('/etc/grafana/callosum/dashboards');
  });
});

/** The unit a panel needs for a query, from the registry. */
function unitProblems(query: string, unit: string | undefined): string[] {
  const { units } = examine(query, known);
  const wanted = query.startsWith('histogram_quantile')
    ? 's'
    : units.has('By')
      ? /rate\(/.test(query)
        ? 'Bps'
        : 'bytes'
      : units.has('s')
        ? 's'
        : /rate\(/.test(query)
          ? 'ops'
          : undefined;
  if (wanted ? unit === wanted : unit === 'short' || unit === 'percentunit') return [];
  return [`${query} is in ${wanted ?? 'short'}, the panel in ${unit}`];
}

describe('the check of units', () => {
  it.each([
    [`histogram_quantile(0.9, sum by (le) (rate(callosum_inference_run_bucket[5m])))`, 'short'],
    ['max(callosum_disk_free)', 'short'],
    ['sum(rate(callosum_dimse_stored_bytes_total[5m]))', 'bytes'],
    ['max(callosum_outbox_oldest_age)', 'ms'],
    ['max(callosum_outbox_rows)', 's'],
  ])('%s in %s is noticed', (query, unit) => {
    expect(unitProblems(query, unit)).toHaveLength(1);
  });
});
