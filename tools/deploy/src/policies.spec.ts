import { describe, expect, it } from 'vitest';

import { type KubernetesObject, objectsOf, render, stoppedAndRewound, variants } from './chart.js';
import { siteFacts } from './facts.js';
import { edges, type Peer } from './network.js';
import { violations } from './policies.js';
import { workloadsOf } from './workloads.js';
import { platformSettings } from '@callosum/runtime';
import { services } from '@callosum/all-in-one/services';

const facts = siteFacts();

/** The longest drain any setting states, and the closing after it (5 s). */
const drainSeconds =
  Math.max(
    ...[platformSettings, ...services.map(({ settings }) => settings)].flatMap((schema) =>
      Object.entries(schema.parse({}) as Record<string, unknown>)
        .filter(([name]) => /DRAIN.*_MS$/.test(name))
        .map(([, value]) => Number(value)),
    ),
  ) /
    1000 +
  5;

const rendered = Object.fromEntries(Object.entries(variants).map(([name, files]) => [name, render(files)]));
const objects = (variant: string): KubernetesObject[] => objectsOf(rendered[variant] ?? '');

describe('the policies', () => {
  it.each(Object.keys(variants))('hold for %s', (variant) => {
    expect(workloadsOf(objects(variant)).length).toBeGreaterThan(0);
    expect(violations(objects(variant), { drainSeconds })).toEqual([]);
  });

  // What a careless edit would do, and the rule that has to notice it.
  const planted: Record<string, (text: string) => string> = {
    'no-root': (text) => text.replace('runAsNonRoot: true', 'runAsNonRoot: false'),
    'root-user': (text) => text.replace('privileged: false', 'privileged: false\n            runAsUser: 0'),
    seccomp: (text) => text.replace('seccompProfile: { type: RuntimeDefault }', 'seccompProfile: { type: Unconfined }'),
    'no-token': (text) => text.replace('automountServiceAccountToken: false', 'automountServiceAccountToken: true'),
    'no-host': (text) =>
      text.replace('enableServiceLinks: false', 'enableServiceLinks: false\n      hostNetwork: true'),
    'no-host-path': (text) =>
      text.replace('{ name: tmp, emptyDir: { sizeLimit: 1Gi } }', '{ name: tmp, hostPath: { path: /tmp } }'),
    'tmp-size': (text) => text.replace('emptyDir: { sizeLimit: 1Gi }', 'emptyDir: {}'),
    'read-only-root': (text) => text.replace('readOnlyRootFilesystem: true', 'readOnlyRootFilesystem: false'),
    'no-escalation': (text) => text.replace('allowPrivilegeEscalation: false', 'allowPrivilegeEscalation: true'),
    'no-capabilities': (text) => text.replace('drop: [ALL]', 'drop: [ALL], add: [NET_ADMIN]'),
    'image-version': (text) => text.replace('"callosum:0.1.0"', '"callosum:latest"'),
    requests: (text) => text.replace(/requests:\n\s+cpu: 250m/, 'requests:'),
    limits: (text) => text.replace(/limits:\n\s+memory: 1Gi/, 'limits: {}'),
    'secret-in-plain': (text) =>
      text.replace(/valueFrom: \{ secretKeyRef: \{ name: callosum-s3, key: secret-.* \} \}/, 'value: hunter2'),
    'grace-period': (text) => text.replace('terminationGracePeriodSeconds: 45', 'terminationGracePeriodSeconds: 30'),
    'startup-probe': (text) =>
      text.replace('startupProbe: { httpGet: { path: /healthz', 'startupProbe: { httpGet: { path: /'),
    'liveness-probe': (text) =>
      text.replace('livenessProbe: { httpGet: { path: /healthz', 'livenessProbe: { httpGet: { path: /'),
    'readiness-probe': (text) =>
      text.replace('readinessProbe: { httpGet: { path: /readyz', 'readinessProbe: { httpGet: { path: /'),
    'probe-port': (text) => text.replace(/(livenessProbe: .* port: )9464/, '$18080'),
    'port-without-policy': (text) =>
      text.replace(
        '- { name: metrics, containerPort: 9464, protocol: TCP }',
        '$&\n            - { name: debug, containerPort: 9229, protocol: TCP }',
      ),
    'policy-without-port': (text) =>
      text.replace(
        '- ports: [{ port: 9464, protocol: TCP }]',
        '- ports: [{ port: 9464, protocol: TCP }, { port: 9229, protocol: TCP }]',
      ),
    'default-deny': (text) =>
      text.replace(
        /kind: NetworkPolicy\nmetadata:\n  name: callosum-default-deny/,
        'kind: Other\nmetadata:\n  name: x',
      ),
    'own-policy': (text) =>
      text.replace(/kind: NetworkPolicy(\nmetadata:\n  name: callosum-study-index)/, 'kind: Other$1'),
    'peers-for-all': (text) => text.replace(/to:\n\s+- ipBlock:\n\s+cidr: 10\.30\.1\.0\/24/, 'to: []'),
    'service-without-port': (text) => text.replace('targetPort: metrics', 'targetPort: metricz'),
    'service-of-one': (text) =>
      text.replace(
        /(kind: Service\n(?:.*\n)*?  selector:\n)(.*\n)(.*\n)    app.kubernetes.io\/component: \S+\n/,
        '$1$2$3',
      ),
    'source-address': (text) => text.replace('externalTrafficPolicy: Local', 'externalTrafficPolicy: Cluster'),
    'disruption-budget': (text) => text.replace('replicas: 1', 'replicas: 2'),
  };
  it.each(Object.entries(planted))('notice a planted violation of %s', (name, plant) => {
    const text = rendered['default'] ?? '';
    const broken = plant(text);
    expect(broken, 'nothing was planted').not.toBe(text);
    const found = violations(objectsOf(broken), { drainSeconds });
    expect(found.map((one) => one.split(':')[0])).toContain(name);
  });
  it('notice a replica count beside an autoscaler', () => {
    const broken = (rendered['prod'] ?? '').replace(/kind: Deployment\n(?:.*\n)*?spec:\n/, '$&  replicas: 3\n');
    expect(violations(objectsOf(broken), { drainSeconds })).toEqual(['replicas-and-scaler: dicomweb']);
  });
});

/** Networks of helm/callosum/ci, by what they stand for there. */
const networks: Record<string, string> = {
  '10.20.0.0/16': 'modalities',
  '10.30.1.0/24': 'database',
  '10.30.2.0/24': 'kafka',
  '10.30.3.0/24': 'object-store',
  '10.30.4.0/24': 'oidc',
  '10.30.5.0/24': 'telemetry',
  '10.30.6.0/24': 'ehr',
  '10.30.7.0/24': 'sts',
  '10.30.8.0/24': 'tokens',
  '10.40.0.0/16': 'vendors',
};
function nameOf({ podSelector, namespaceSelector, ipBlock }: Peer): string {
  if (ipBlock) return networks[ipBlock.cidr] ?? ipBlock.cidr;
  const labels = podSelector?.matchLabels ?? {};
  if (labels['cnpg.io/cluster']) return 'database';
  if (labels['strimzi.io/cluster']) return 'kafka';
  return (
    labels['app.kubernetes.io/component'] ??
    namespaceSelector?.matchLabels?.['kubernetes.io/metadata.name'] ??
    'anybody'
  );
}

/** The graph as the code has it, with where this variant keeps what is outside. */
function expected(outside: {
  database: number;
  kafka: number;
  objectStore: number;
  oidc: number;
  otlp?: string;
  fhir?: string;
  workers?: readonly string[];
  vendors?: boolean;
  route?: string;
  toolbox?: boolean;
  sts?: boolean;
}): { out: string[]; in: string[] } {
  const out: string[] = ['migrate -> database:' + outside.database];
  const into: string[] = [];
  for (const [name, service] of Object.entries(facts.services)) {
    out.push(
      `${name} -> database:${outside.database}`,
      `${name} -> kafka:${outside.kafka}`,
      `${name} -> oidc:${outside.oidc}`,
    );
    into.push(`monitoring -> ${name}:9464`);
    if (service.objectStore) out.push(`${name} -> object-store:${outside.objectStore}`);
    if (service.objectStore && outside.sts) out.push(`${name} -> sts:443`);
    if (outside.otlp) out.push(`${name} -> ${outside.otlp}`);
    if (outside.route && service.http.length > 0) into.push(`${outside.route} -> ${name}:8080`);
    for (const callee of service.calls) {
      const { variable, port: grpcPort } = facts.services[callee]?.grpc ?? {};
      const port = variable ? grpcPort : 8080;
      const edge = `${name} -> ${callee}:${port}`;
      if (callee === 'fhir-gateway' && outside.fhir) out.push(`${name} -> ${outside.fhir}`);
      else {
        out.push(edge);
        into.push(edge);
      }
    }
  }
  if (outside.toolbox) {
    // The command line asks each service what it knows; the job that rebuilds the index asks the index alone.
    const asked = Object.entries(facts.services).map(([name, { grpc }]) => `toolbox -> ${name}:${grpc.port}`);
    for (const list of [out, into]) list.push(...asked, 'reindex -> study-index:50061');
  }
  into.push('modalities -> dimse-ingest:11112');
  if (outside.vendors) into.push('vendors -> inference-orchestrator:50051');
  for (const worker of outside.workers ?? []) {
    for (const list of [out, into]) list.push(`worker-${worker} -> inference-orchestrator:50051`);
    if (outside.otlp) out.push(`worker-${worker} -> ${outside.otlp}`);
  }
  return { out: out.sort(), in: into.sort() };
}

describe('who may talk to whom', () => {
  const graph = (variant: string) => edges(objects(variant), workloadsOf(objects(variant)), nameOf);

  it('is what the services call, read from their code, and no more', () => {
    expect(graph('default')).toEqual(expected({ database: 5432, kafka: 9092, objectStore: 9000, oidc: 443 }));
    // The graph itself, so that an edge that appears in the code is looked at by somebody.
    expect(Object.fromEntries(Object.entries(facts.services).map(([name, { calls }]) => [name, calls]))).toEqual({
      dicomweb: ['study-index'],
      'dimse-ingest': ['study-index', 'fhir-gateway'],
      'fhir-gateway': [],
      'identity-mapping': ['study-index', 'fhir-gateway'],
      'inference-orchestrator': ['study-index'],
      'result-publisher': ['study-index', 'identity-mapping', 'fhir-gateway'],
      'study-index': [],
    });
  });

  it('leads from dimse-ingest, and from nobody else, to the nodes of the DICOM network that are named', () => {
    const nodes = JSON.stringify([{ port: 104, peers: [{ ipBlock: { cidr: '10.20.0.0/16' } }] }]);
    const all = objectsOf(render(variants['default'] ?? [], ['--set-json', `networkPolicy.dicomNodes=${nodes}`]));
    const { out } = edges(all, workloadsOf(all), nameOf);
    expect(out.filter((edge) => edge.endsWith(':104'))).toEqual(['dimse-ingest -> modalities:104']);
  });

  it('with operators leads to the pods they make, and workers only to the worker port', () => {
    expect(graph('prod')).toEqual(
      expected({
        database: 5432,
        kafka: 9093,
        objectStore: 9000,
        oidc: 443,
        otlp: 'opentelemetry-collector:4318',
        workers: ['lung-ct', 'chest-triage'],
        route: 'ingress',
        toolbox: true,
      }),
    );
  });

  it('with managed services follows their addresses', () => {
    expect(graph('external')).toEqual(
      expected({
        database: 5432,
        kafka: 9096,
        objectStore: 443,
        oidc: 443,
        otlp: 'telemetry:4318',
        fhir: 'ehr:443',
        sts: true,
        vendors: true,
        route: 'ingress',
      }),
    );
  });

  it('lets a rewind reach Kafka alone and an announcement the database alone, which let them in', () => {
    const all = objectsOf(render(variants['prod'] ?? [], stoppedAndRewound));
    const { out, in: into } = edges(all, workloadsOf(all), nameOf);
    expect(out.filter((edge) => edge.startsWith('rewind '))).toEqual(['rewind -> kafka:9093']);
    expect(out.filter((edge) => edge.startsWith('announce '))).toEqual(['announce -> database:5432']);
    expect(into.filter((edge) => /rewind|announce/.test(edge))).toEqual([]);
    const database = all.filter(
      ({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.name === 'callosum-postgresql',
    );
    expect(JSON.stringify(database)).toContain('"app.kubernetes.io/component":"announce"');
    const [kafka] = all.filter(({ kind }) => kind === 'Kafka');
    expect(JSON.stringify(kafka?.spec)).toContain('"app.kubernetes.io/component":"rewind"');
    expect(violations(all, { drainSeconds })).toEqual([]);
  });

  it('leads to every port a broker is on, and to where access tokens for them come from', () => {
    const reached = (set: string): string[] => {
      const all = objectsOf(render(variants['external'] ?? [], ['--set', set]));
      const { out } = edges(all, workloadsOf(all), nameOf);
      return out.filter((edge) => /^fhir-gateway -> (kafka|oidc|tokens):/.test(edge));
    };
    expect(reached('kafka.brokers={a:9092,b:9192,c:9092}')).toEqual([
      'fhir-gateway -> kafka:9092',
      'fhir-gateway -> kafka:9192',
      'fhir-gateway -> oidc:443',
    ]);
    const bearer = 'kafka.sasl=oauthbearer,kafka.oauth.tokenUrl=https://id.example.org:8443/token';
    expect(reached(bearer)).toContain('fhir-gateway -> oidc:8443');
    expect(reached(`${bearer},networkPolicy.kafkaToken[0].ipBlock.cidr=10.30.8.0/24`)).toContain(
      'fhir-gateway -> tokens:8443',
    );
  });

  it('in one pod without authentication is nobody', () => {
    expect(graph('small')).toEqual({ out: [], in: [] });
  });

  it('in one pod with authentication is HTTP through the Ingress, DICOM, workers, monitoring and the identity provider', () => {
    expect(graph('small-authenticated')).toEqual({
      out: ['all-in-one -> oidc:443'],
      in: [
        'ingress -> all-in-one:8080',
        'modalities -> all-in-one:11112',
        'monitoring -> all-in-one:9464',
        'vendors -> all-in-one:50051',
      ],
    });
  });
});
