import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';

import { helm } from './binaries.js';
import { repositoryRoot } from './repository.js';

export const chartFolder = join(repositoryRoot, 'helm/callosum');

/** API groups of the operators that values-prod.yaml wants; `helm template` knows no cluster to ask. */
export const operatorApis = [
  'cert-manager.io/v1',
  'external-secrets.io/v1',
  'gateway.networking.k8s.io/v1',
  'kafka.strimzi.io/v1',
  'keda.sh/v1alpha1',
  'monitoring.coreos.com/v1',
  'opentelemetry.io/v1beta1',
  'postgresql.cnpg.io/v1',
] as const;

/** Sets of values that are rendered, committed and checked. */
export const variants: Readonly<Record<string, readonly string[]>> = {
  default: ['ci/site.yaml'],
  small: ['values-small.yaml'],
  'small-authenticated': ['values-small.yaml', 'ci/site.yaml', 'ci/small-authenticated.yaml'],
  external: ['ci/site.yaml', 'ci/external.yaml'],
  prod: ['values-prod.yaml', 'ci/site.yaml', 'ci/site-prod.yaml'],
};

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels?: Record<string, string>;
    readonly annotations?: Record<string, string>;
  };
  // Each kind has its own; kubeconform checks them against the schemas, the policies read what they need.
  readonly spec: Record<string, unknown>;
  readonly automountServiceAccountToken?: boolean;
}

export interface HelmResult {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Helm gives the same answer to the same question, and takes a while each time. */
const answers = new Map<string, HelmResult>();

export function runHelm(args: readonly string[], kubeVersion = '1.37.0'): HelmResult {
  const question = JSON.stringify([args, kubeVersion]);
  const known = answers.get(question);
  if (known) return known;
  const { status, stdout, stderr } = spawnSync(helm(), [...args, '--kube-version', kubeVersion], {
    cwd: chartFolder,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    env: {
      ...process.env,
      HELM_CACHE_HOME: '/nonexistent',
      HELM_CONFIG_HOME: '/nonexistent',
      HELM_DATA_HOME: '/nonexistent',
    },
  });
  const answer = { ok: status === 0, stdout, stderr };
  answers.set(question, answer);
  return answer;
}

/** `helm template` with the values of a variant, as for a cluster that has the operators. */
export function template(files: readonly string[], extra: readonly string[] = [], kubeVersion?: string): HelmResult {
  const apis = operatorApis.flatMap((api) => ['--api-versions', api]);
  const values = files.flatMap((file) => ['-f', file]);
  return runHelm(['template', 'callosum', '.', '-n', 'imaging', ...apis, ...values, ...extra], kubeVersion);
}

/** @throws with Helm's words when it refuses */
export function render(files: readonly string[], extra: readonly string[] = [], kubeVersion?: string): string {
  const { ok, stdout, stderr } = template(files, extra, kubeVersion);
  if (!ok) throw new Error(stderr);
  return stdout;
}

export function objectsOf(yaml: string): KubernetesObject[] {
  return parseAllDocuments(yaml)
    .map((document) => document.toJS() as KubernetesObject | null)
    .filter((object) => object !== null);
}

/** Values that stop a site and start both Jobs of a disaster, beside those of a variant. */
export const stoppedAndRewound = [
  '--set',
  'maintenance.stopped=true,maintenance.rewindTo=2026-11-25T03:00:00+01:00,maintenance.announceSince=2026-11-25T04:00:00Z',
];

/** Values that make the database from a back-up, beside those of a highly available site. */
export const recovered = ['-f', 'ci/recovery.yaml', '--set', 'maintenance.stopped=true'];

/** Values for a Kafka that asks for a client certificate and access tokens, with secrets from a store. */
export const kafkaWithTokens = [
  '--set',
  'kafka.sasl=oauthbearer,kafka.oauth.tokenUrl=https://id.example.org/token,kafka.clientCertSecret=kafka-client,externalSecrets.enabled=true,externalSecrets.storeRef.name=vault',
];

/** What a set of values renders. @throws with Helm's words when it refuses */
export const objects = (files: readonly string[], extra: readonly string[] = []): KubernetesObject[] =>
  objectsOf(render(files, extra));
export const of = (kind: string, all: readonly KubernetesObject[]): KubernetesObject[] =>
  all.filter((one) => one.kind === kind);
