import type { KubernetesObject } from './chart.js';

export interface EnvEntry {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: unknown;
}
export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly env?: readonly EnvEntry[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly resources?: {
    readonly requests?: Record<string, string>;
    readonly limits?: Record<string, string | number>;
  };
  readonly securityContext?: Record<string, unknown>;
  readonly lifecycle?: { readonly preStop?: { readonly sleep?: { readonly seconds: number } } };
  readonly startupProbe?: unknown;
  readonly livenessProbe?: unknown;
  readonly readinessProbe?: unknown;
}
export interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Record<string, unknown>[];
  readonly securityContext?: Record<string, unknown>;
  readonly automountServiceAccountToken?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
}
/** What makes pods, and the pods it makes. */
export interface Workload {
  readonly object: KubernetesObject;
  readonly component: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly pod: PodSpec;
}

const makesPods = new Set(['Deployment', 'StatefulSet', 'Job', 'CronJob', 'DaemonSet']);

export function workloadsOf(objects: readonly KubernetesObject[]): Workload[] {
  return objects
    .filter(({ kind }) => makesPods.has(kind))
    .map((object) => {
      const { spec } = (object.spec['jobTemplate'] ?? object) as Pick<KubernetesObject, 'spec'>;
      const template = spec['template'] as { metadata: { labels: Record<string, string> }; spec: PodSpec };
      const { labels } = template.metadata;
      return { object, component: labels['app.kubernetes.io/component'] ?? '', labels, pod: template.spec };
    });
}

/** Whether a `matchLabels` selects these labels. Our own selectors use nothing else. */
export function selects(selector: unknown, labels: Readonly<Record<string, string>>): boolean {
  const { matchLabels = {} } = (selector ?? {}) as { matchLabels?: Record<string, string> };
  return Object.entries(matchLabels).every(([key, value]) => labels[key] === value);
}
