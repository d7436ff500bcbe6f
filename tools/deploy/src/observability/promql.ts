import { metricRegistry, type MetricDefinition } from '@callosum/telemetry';
import type { SyntaxNode } from '@lezer/common';
import { parser } from '@prometheus-io/lezer-promql';

/** A series as Prometheus has it. */
interface Series {
  readonly kind: 'counter' | 'gauge' | 'bucket' | 'recorded';
  readonly unit: string;
  readonly labels: ReadonlySet<string>;
  /** Of a bucket: the bounds it is cut at. */
  readonly bounds?: readonly number[];
}

const labelOf = (attribute: string): string => attribute.replaceAll('.', '_');
/** What a scrape adds: the chart's ServiceMonitor, and Prometheus itself. */
const targetLabels = [
  'callosum_site',
  'app_kubernetes_io_part_of',
  'app_kubernetes_io_component',
  'job',
  'instance',
  'namespace',
  'pod',
];
/** What others measure and alerts may use. */
const others: Readonly<Record<string, Series>> = {
  up: { kind: 'gauge', unit: '{target}', labels: new Set(targetLabels) },
  kube_pod_container_status_restarts_total: {
    kind: 'counter',
    unit: '{restart}',
    labels: new Set(['namespace', 'pod', 'container']),
  },
};

/** Every series that can be asked for, by name: the registry's, those of others, and what rules record. */
export function knownSeries(recorded: readonly string[]): ReadonlyMap<string, Series> {
  const known = new Map(Object.entries(others));
  for (const [name, metric] of Object.entries<MetricDefinition>(metricRegistry)) {
    const prometheus = name.replaceAll('.', '_');
    const labels = [...metric.labels.map(labelOf), ...targetLabels];
    const one = (kind: Series['kind'], unit: string, more: string[] = []) => ({
      kind,
      unit,
      labels: new Set([...labels, ...more]),
    });
    if (metric.kind === 'histogram') {
      known.set(`${prometheus}_bucket`, { ...one('bucket', '', ['le']), bounds: metric.bounds ?? [] });
      known.set(`${prometheus}_count`, one('counter', ''));
      known.set(`${prometheus}_sum`, one('counter', metric.unit));
    } else if (metric.kind === 'counter') known.set(`${prometheus}_total`, one('counter', metric.unit));
    else known.set(prometheus, one('gauge', metric.unit));
  }
  for (const name of recorded) known.set(name, { kind: 'recorded', unit: '', labels: new Set(['callosum_site']) });
  return known;
}

const counterFunctions = new Set(['rate', 'increase', 'irate', 'resets']);
const gaugeFunctions = new Set(['deriv', 'delta', 'idelta', 'predict_linear']);

/** What is wrong with a query, and which units its series have. Grafana's own variables stand for a duration. */
export function examine(query: string, known: ReadonlyMap<string, Series>): { problems: string[]; units: Set<string> } {
  const text = query.replaceAll('$__rate_interval', '5m').replaceAll('$__range', '6h');
  const of = (node: SyntaxNode | null): string => (node ? text.slice(node.from, node.to) : '');
  const problems: string[] = [];
  const units = new Set<string>();
  parser.parse(text).iterate({
    enter: ({ name, type, node, from }) => {
      if (type.isError) problems.push(`no PromQL at character ${from}`);
      if (name === 'VectorSelector') {
        problems.push(...selectorProblems(node, known, of));
        units.add(known.get(of(node.getChild('Identifier')))?.unit ?? '');
      }
      if (name === 'GroupingLabels') problems.push(...groupingProblems(node, known, of));
      if (name === 'FunctionCall') problems.push(...functionProblems(node, known, of));
    },
  });
  return { problems, units };
}

type TextOf = (node: SyntaxNode | null) => string;

function selectorProblems(node: SyntaxNode, known: ReadonlyMap<string, Series>, of: TextOf): string[] {
  const name = of(node.getChild('Identifier'));
  const series = known.get(name);
  if (!series) return [`${name || 'a selector without a name'} is not registered`];
  const matchers = node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? [];
  return matchers.flatMap((matcher) => {
    const label = of(matcher.getChild('LabelName'));
    const value = of(matcher.getChild('StringLiteral')).slice(1, -1);
    if (!series.labels.has(label)) return [`${name} has no label ${label}`];
    const isBound = series.bounds?.some((bound) => String(bound) === value) ?? true;
    return label === 'le' && value !== '+Inf' && !isBound ? [`${name} has no bucket up to ${value}`] : [];
  });
}

/** Labels that are kept or matched on must be had by a series inside. */
function groupingProblems(node: SyntaxNode, known: ReadonlyMap<string, Series>, of: TextOf): string[] {
  let scope: SyntaxNode | null = node.parent;
  while (scope && scope.name !== 'AggregateExpr' && scope.name !== 'BinaryExpr') scope = scope.parent;
  const inside = scope ? selectorsIn(scope).map((selector) => known.get(of(selector.getChild('Identifier')))) : [];
  return node
    .getChildren('LabelName')
    .map(of)
    .filter((label) => !inside.some((series) => series?.labels.has(label)))
    .map((label) => `nothing has the label ${label} that is grouped by`);
}

/** Rates of gauges and slopes of counters are numbers that mean nothing. */
function functionProblems(node: SyntaxNode, known: ReadonlyMap<string, Series>, of: TextOf): string[] {
  const called = of(node.getChild('FunctionIdentifier'));
  if (!counterFunctions.has(called) && !gaugeFunctions.has(called)) return [];
  return selectorsIn(node).flatMap((selector) => {
    const name = of(selector.getChild('Identifier'));
    const kind = known.get(name)?.kind;
    if (kind === undefined || kind === 'recorded') return [];
    return (kind === 'gauge') === gaugeFunctions.has(called) ? [] : [`${called} of ${name}, which is a ${kind}`];
  });
}

/** Names of everything a query selects. */
export const selected = (query: string): string[] => {
  const text = query.replaceAll('$__rate_interval', '5m');
  return selectorsIn(parser.parse(text).topNode).map((node) => text.slice(node.from, node.to));
};

function selectorsIn(scope: SyntaxNode): SyntaxNode[] {
  const found: SyntaxNode[] = [];
  scope.cursor().iterate((ref) => {
    if (ref.name === 'VectorSelector') found.push(ref.node);
    // A cursor of a subtree must not leave it.
    return ref.from >= scope.from && ref.to <= scope.to;
  });
  return found.filter(({ from, to }) => from >= scope.from && to <= scope.to);
}
