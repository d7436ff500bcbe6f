import type { KubernetesObject } from './chart.js';
import { allowedPorts, policiesFor } from './network.js';
import { type Container, selects, type Workload, workloadsOf } from './workloads.js';

/** How long a process may take to end: docs/reference/settings.md says what a drain is. */
export interface PolicyFacts {
  readonly drainSeconds: number;
}

/** Every rule a rendered chart breaks, each as "rule: who". Empty when it keeps all. */
export function violations(objects: readonly KubernetesObject[], facts: PolicyFacts): string[] {
  const workloads = workloadsOf(objects);
  return [
    ...workloads.flatMap((workload) => [
      ...podRules(workload),
      ...[...workload.pod.containers, ...(workload.pod.initContainers ?? [])].flatMap((container) =>
        containerRules(workload, container),
      ),
      ...lifeRules(workload, facts),
      ...portRules(objects, workload),
      ...availabilityRules(objects, workload),
    ]),
    ...serviceRules(objects, workloads),
    ...accountRules(objects),
  ];
}

const rule = (name: string, who: string, broken: boolean): string[] => (broken ? [`${name}: ${who}`] : []);

function podRules({ component, pod }: Workload): string[] {
  const security = pod.securityContext ?? {};
  const seccomp = security['seccompProfile'] as { type?: string } | undefined;
  return [
    ...rule('no-root', component, security['runAsNonRoot'] !== true || !(Number(security['runAsUser']) > 0)),
    ...rule('seccomp', component, seccomp?.type !== 'RuntimeDefault'),
    ...rule('no-token', component, pod.automountServiceAccountToken !== false),
    ...rule('no-host', component, Boolean(pod.hostNetwork || pod.hostPID || pod.hostIPC)),
    // What has no limit fills the node's disk, and takes its other pods with it.
    ...rule(
      'tmp-size',
      component,
      (pod.volumes ?? []).some(
        ({ emptyDir }) => emptyDir !== undefined && !(emptyDir as { sizeLimit?: string }).sizeLimit,
      ),
    ),
    ...rule(
      'no-host-path',
      component,
      (pod.volumes ?? []).some((volume) => 'hostPath' in volume),
    ),
  ];
}

const secretName = /(PASSWORD|SECRET|TOKEN|ACCESS_KEY)(_ID|_ACCESS_KEY)?$/;

function containerRules({ component }: Workload, container: Container): string[] {
  const security = container.securityContext ?? {};
  const dropped = (security['capabilities'] as { drop?: string[]; add?: string[] } | undefined) ?? {};
  const { requests = {}, limits = {} } = container.resources ?? {};
  const who = `${component}/${container.name}`;
  const plain = (container.env ?? []).filter(({ name, value }) => secretName.test(name) && value !== undefined);
  return [
    ...rule('read-only-root', who, security['readOnlyRootFilesystem'] !== true),
    ...rule('no-escalation', who, security['allowPrivilegeEscalation'] !== false || security['privileged'] === true),
    ...rule('no-capabilities', who, dropped.drop?.[0] !== 'ALL' || (dropped.add ?? []).length > 0),
    ...rule('root-user', who, security['runAsUser'] === 0),
    ...rule('image-version', who, !/(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})$/.test(container.image)),
    ...rule('requests', who, !requests['cpu'] || !requests['memory']),
    ...rule('limits', who, !limits['memory']),
    ...plain.flatMap(({ name }) => rule('secret-in-plain', `${who} ${name}`, true)),
  ];
}

/** Workers, jobs and the pod of the command line listen on nothing: no probe could ask them. */
const isService = ({ object, component }: Workload): boolean =>
  !object.kind.endsWith('Job') && !component.startsWith('worker-') && component !== 'toolbox';

function lifeRules(workload: Workload, { drainSeconds }: PolicyFacts): string[] {
  if (!isService(workload)) return [];
  const { component, pod } = workload;
  const preStop = Math.max(0, ...pod.containers.map(({ lifecycle }) => lifecycle?.preStop?.sleep?.seconds ?? 0));
  const asks = (probe: unknown, path: string): boolean => JSON.stringify(probe ?? '').includes(path);
  return [
    ...rule('grace-period', component, (pod.terminationGracePeriodSeconds ?? 30) <= preStop + drainSeconds),
    ...pod.containers.flatMap((container) => [
      ...rule('startup-probe', component, !asks(container.startupProbe, '/healthz')),
      ...rule('liveness-probe', component, !asks(container.livenessProbe, '/healthz')),
      ...rule('readiness-probe', component, !asks(container.readinessProbe, '/readyz')),
      // Clients may take every connection of the HTTP port; what kubelet asks has its own.
      ...rule(
        'probe-port',
        component,
        [container.startupProbe, container.livenessProbe, container.readinessProbe].some((probe) =>
          asks(probe, '8080'),
        ),
      ),
    ]),
  ];
}

function portRules(objects: readonly KubernetesObject[], workload: Workload): string[] {
  const { component, pod } = workload;
  const policies = policiesFor(objects, workload);
  const open = pod.containers.flatMap(({ ports = [] }) => ports.map(({ containerPort }) => containerPort));
  const allowed = allowedPorts(policies);
  const denies = policies.some(({ podSelector }) => !podSelector.matchLabels?.['app.kubernetes.io/component']);
  return [
    ...rule('default-deny', component, !denies && workload.object.kind !== 'Job'),
    ...rule('own-policy', component, !policies.some((one) => one.egress && one.policyTypes.length === 2)),
    ...open.flatMap((port) => rule('port-without-policy', `${component}:${port}`, !allowed.includes(port))),
    ...allowed.flatMap((port) => rule('policy-without-port', `${component}:${port}`, !open.includes(port))),
    ...policies.flatMap(({ ingress = [], egress = [] }) =>
      [...ingress, ...egress].flatMap(({ from, to }) =>
        rule('peers-for-all', component, (from ?? to ?? []).length === 0),
      ),
    ),
  ];
}

function availabilityRules(objects: readonly KubernetesObject[], { object, component, labels }: Workload): string[] {
  const scaler = objects.find(
    ({ kind, spec }) =>
      (kind === 'HorizontalPodAutoscaler' || kind === 'ScaledObject') &&
      (spec['scaleTargetRef'] as { name: string }).name === object.metadata.name,
  );
  const replicas = Number(
    scaler?.spec['minReplicas'] ?? scaler?.spec['minReplicaCount'] ?? object.spec['replicas'] ?? 1,
  );
  const kept = objects.some(({ kind, spec }) => kind === 'PodDisruptionBudget' && selects(spec['selector'], labels));
  const fixed = object.spec['replicas'];
  // A site that is stopped: KEDA is told the same number.
  const paused = scaler?.metadata.annotations?.['autoscaling.keda.sh/paused-replicas'];
  return [
    ...rule('disruption-budget', component, replicas > 1 && !kept),
    ...rule('replicas-and-scaler', component, fixed !== undefined && scaler !== undefined && paused !== String(fixed)),
  ];
}

function serviceRules(objects: readonly KubernetesObject[], workloads: readonly Workload[]): string[] {
  return objects
    .filter(({ kind }) => kind === 'Service')
    .flatMap(({ metadata, spec }) => {
      const behind = workloads.filter(({ labels }) => selects({ matchLabels: spec['selector'] }, labels));
      const names = behind.flatMap(({ pod }) =>
        pod.containers.flatMap(({ ports = [] }) => ports.map(({ name }) => name)),
      );
      const ports = spec['ports'] as { targetPort: string }[];
      return [
        ...rule('service-of-one', metadata.name, behind.length !== 1),
        ...ports.flatMap(({ targetPort }) =>
          rule('service-without-port', `${metadata.name}:${targetPort}`, !names.includes(targetPort)),
        ),
        ...rule(
          'source-address',
          metadata.name,
          spec['type'] !== 'ClusterIP' && spec['externalTrafficPolicy'] !== 'Local',
        ),
      ];
    });
}

const accountRules = (objects: readonly KubernetesObject[]): string[] =>
  objects
    .filter(({ kind }) => kind === 'ServiceAccount')
    .flatMap(({ metadata, automountServiceAccountToken }) =>
      rule('no-token', metadata.name, automountServiceAccountToken !== false),
    );
