/** Units of Grafana that are used; a panel's follows from what it shows. */
export type Unit = 's' | 'bytes' | 'Bps' | 'short' | 'ops' | 'percentunit';

export interface Panel {
  readonly title: string;
  readonly description: string;
  readonly unit: Unit;
  readonly queries: readonly (readonly [expr: string, legend: string])[];
  /** Page of docs/runbooks that says what to do when it looks wrong. */
  readonly runbook: string;
  readonly type?: 'timeseries' | 'stat';
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  /** Variables beside data source, site and runbooks: name, label, and the metric whose values they take. */
  readonly variables: readonly (readonly [name: string, label: string, metric: string])[];
  readonly rows: readonly { readonly title: string; readonly panels: readonly Panel[] }[];
}

const site = 'callosum_site=~"$site"';
/** A selector of a metric at the chosen site. */
export const series = (metric: string, ...matchers: string[]): string => `${metric}{${[site, ...matchers].join(',')}}`;
const by = (labels: readonly string[]): string => (labels.length > 0 ? ` by (${labels.join(', ')})` : '');
/** Per second, over replicas. */
export const perSecond = (metric: string, labels: readonly string[], ...matchers: string[]): string =>
  `sum${by(labels)} (rate(${series(metric, ...matchers)}[$__rate_interval]))`;
/** A quantile of a histogram, over replicas. */
export const quantile = (q: number, metric: string, labels: readonly string[], ...matchers: string[]): string =>
  `histogram_quantile(${q}, ${perSecond(`${metric}_bucket`, ['le', ...labels], ...matchers)})`;
/** A gauge of shared rows, which every replica tells. */
export const most = (metric: string, labels: readonly string[], ...matchers: string[]): string =>
  `max${by(labels)} (${series(metric, ...matchers)})`;

const datasource = { type: 'prometheus', uid: '${datasource}' };
const widthOfGrid = 24;
const size = { timeseries: { w: 8, h: 8 }, stat: { w: 6, h: 4 } } as const;

/** The JSON of a dashboard as Grafana 11 and later read it. */
export function dashboardJson({ uid, title, description, variables, rows }: Dashboard): string {
  const link = (name: string, url: string) => ({ title: name, type: 'link', url, targetBlank: true, icon: 'doc' });
  return `${JSON.stringify(
    {
      uid,
      title,
      description,
      tags: ['callosum'],
      timezone: 'browser',
      editable: false,
      schemaVersion: 41,
      refresh: '30s',
      time: { from: 'now-6h', to: 'now' },
      links: [
        {
          title: 'Callosum',
          type: 'dashboards',
          tags: ['callosum'],
          asDropdown: true,
          includeVars: true,
          keepTime: true,
        },
        link('Runbooks', '${runbooks}/README.md'),
      ],
      templating: { list: variablesOf(variables) },
      panels: layOut(rows),
    },
    null,
    2,
  )}\n`;
}

function variablesOf(variables: Dashboard['variables']) {
  const query = (name: string, label: string, metric: string, value: string) => ({
    name,
    label,
    type: 'query',
    datasource,
    query: { query: `label_values(${metric}, ${value})`, refId: name },
    definition: `label_values(${metric}, ${value})`,
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    // Where no site is written on series, all are shown.
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
  });
  return [
    { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' },
    query('site', 'Site', 'callosum_outbox_rows', 'callosum_site'),
    ...variables.map(([name, label, metric]) => query(name, label, metric, labelOf[name] ?? name)),
    {
      name: 'runbooks',
      label: 'Runbooks at',
      type: 'textbox',
      query: 'https://docs.example.org/callosum/runbooks',
      current: {
        text: 'https://docs.example.org/callosum/runbooks',
        value: 'https://docs.example.org/callosum/runbooks',
      },
    },
  ];
}
const labelOf: Readonly<Record<string, string>> = {
  service: 'callosum_service',
  ae: 'dicom_calling_ae',
  model: 'callosum_model',
  group: 'callosum_group',
};

function layOut(rows: Dashboard['rows']): unknown[] {
  let id = 0;
  let y = 0;
  return rows.flatMap(({ title, panels }) => {
    const head = {
      id: ++id,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y, w: widthOfGrid, h: 1 },
      panels: [],
    };
    y += 1;
    let x = 0;
    let height = 0;
    const laid = panels.map((panel) => {
      const { w, h } = size[panel.type ?? 'timeseries'];
      if (x + w > widthOfGrid) {
        x = 0;
        y += height;
        height = 0;
      }
      const json = panelJson(panel, ++id, { x, y, w, h });
      x += w;
      height = Math.max(height, h);
      return json;
    });
    y += height;
    return [head, ...laid];
  });
}

function panelJson(panel: Panel, id: number, gridPos: object) {
  const { title, description, unit, queries, runbook, type = 'timeseries' } = panel;
  return {
    id,
    type,
    title,
    description,
    gridPos,
    datasource,
    fieldConfig: { defaults: { unit, ...(unit === 'percentunit' ? { max: 1 } : { min: 0 }) }, overrides: [] },
    options:
      type === 'stat'
        ? { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'none' }
        : { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
    links: [{ title: `Runbook: ${runbook}`, url: `\${runbooks}/${runbook}.md`, targetBlank: true }],
    targets: queries.map(([expr, legendFormat], index) => ({
      refId: String.fromCodePoint(65 + index),
      datasource,
      expr,
      legendFormat,
    })),
  };
}
