import { describe, expect, it } from 'vitest';

import { objectsOf, render, variants } from './chart.js';
import { environmentProblems } from './environment.js';
import { siteFacts } from './facts.js';
import { type Container, workloadsOf } from './workloads.js';

const facts = siteFacts();

const envOf = ({ env = [] }: Container): Record<string, string> =>
  Object.fromEntries(env.map(({ name, value }) => [name, value ?? 'from-a-secret']));
const entryOf = (component: string): string => (component.startsWith('worker-') ? 'worker' : component);

describe('the environment the chart gives', () => {
  it.each(Object.keys(variants))(
    '%s: every name is a setting, every needed one is set, every value is usable',
    (variant) => {
      const problems = workloadsOf(objectsOf(render(variants[variant] ?? []))).flatMap(({ component, pod }) =>
        pod.containers.flatMap((container) =>
          environmentProblems(entryOf(component), envOf(container), facts.services[component]),
        ),
      );
      expect(problems).toEqual([]);
    },
  );

  const boundOf = (variant: string, extra: readonly string[] = []): string[] =>
    workloadsOf(objectsOf(render(variants[variant] ?? [], extra)))
      .filter(({ component }) => component in facts.services)
      .flatMap(({ component, pod }) =>
        pod.containers.map((container) => `${component} ${envOf(container)['CALLOSUM_INTERNAL_GRPC']}`),
      )
      .sort();

  it.each(['default', 'external'])(
    '%s: every service answers the command line in its pod, and others only where other services call it',
    (variant) => {
      expect(boundOf(variant)).toEqual([
        'dicomweb 127.0.0.1:50064',
        'dimse-ingest 127.0.0.1:50065',
        'fhir-gateway 127.0.0.1:50066',
        'identity-mapping 0.0.0.0:50062',
        'inference-orchestrator 127.0.0.1:50063',
        'result-publisher 127.0.0.1:50067',
        'study-index 0.0.0.0:50061',
      ]);
    },
  );

  it.each<[string, readonly string[]]>([
    ['prod', []],
    ['default', ['--set', 'toolbox.enabled=true']],
  ])('%s with a toolbox: every service answers it, where it looks for them', (variant, extra) => {
    const bound = boundOf(variant, extra);
    expect(bound).toHaveLength(Object.keys(facts.services).length);
    expect(bound.every((one) => one.includes(' 0.0.0.0:'))).toBe(true);
    const all = objectsOf(render(variants[variant] ?? [], extra));
    const toolbox = workloadsOf(all).find(({ component }) => component === 'toolbox')?.pod.containers[0] as Container;
    const asked = (envOf(toolbox)['CALLOSUM_SERVICES_GRPC'] ?? '').split(',').sort();
    expect(asked).toEqual(bound.map((one) => one.replace(/^(\S+) 0.0.0.0:/, '$1=callosum-$1:')));
    // Each address is a Service with that port.
    const served = all
      .filter(({ kind }) => kind === 'Service')
      .flatMap(({ metadata, spec }) =>
        (spec['ports'] as { port: number }[]).map(({ port }) => `${metadata.name}:${port}`),
      );
    for (const one of asked) expect(served).toContain(one.split('=')[1]);
  });

  it.each([
    [
      'the site that is stopped, and its rewind',
      [
        'maintenance.stopped=true',
        'maintenance.rewindTo=2026-11-25T03:00:00Z',
        'maintenance.announceSince=2026-11-25T03:00:00Z',
      ],
    ],
    [
      'a Kafka that asks for a client certificate and access tokens',
      [
        'kafka.tls=true',
        'kafka.clientCertSecret=kafka-client',
        'kafka.sasl=oauthbearer',
        'kafka.credentialsSecret=kafka-oauth',
        'kafka.oauth.tokenUrl=https://id.example.org/token',
        'kafka.oauth.scope=events',
        'maintenance.stopped=true',
        'maintenance.rewindTo=2026-11-25T03:00:00Z',
      ],
    ],
    ['a toolbox where services show tokens', ['toolbox.enabled=true', 'auth.internal=token']],
    ['DICOM over TLS', ['dicom.tls=mutual', 'dicom.tlsSecret=dicom-certificate']],
  ])('%s: every name is a setting and every value usable', (_, settings) => {
    for (const variant of ['default', 'prod', 'external']) {
      const text = render(
        variants[variant] ?? [],
        settings.flatMap((one) => ['--set', one]),
      );
      const problems = workloadsOf(objectsOf(text)).flatMap(({ component, pod }) =>
        pod.containers.flatMap((container) => environmentProblems(entryOf(component), envOf(container))),
      );
      expect(problems, variant).toEqual([]);
    }
  });

  const good = (): Record<string, string> => {
    const container = workloadsOf(objectsOf(render(variants['default'] ?? []))).find(
      ({ component }) => component === 'result-publisher',
    )?.pod.containers[0] as Container;
    return envOf(container);
  };
  it.each([
    ['a name nobody reads', { CALLOSUM_QUIET_PERIOD: '1' }, 'CALLOSUM_QUIET_PERIOD is no setting'],
    ['a setting of another service', { CALLOSUM_DIMSE_AE: 'X' }, 'CALLOSUM_DIMSE_AE is no setting'],
    ['a value out of range', { CALLOSUM_DATABASE_POOL_MAX: '1' }, 'CALLOSUM_DATABASE_POOL_MAX: must be at least 2'],
    ['an address left out', { CALLOSUM_IDENTITY_GRPC: '' }, 'CALLOSUM_IDENTITY_GRPC is not set'],
    ['a password left out', { CALLOSUM_DATABASE_PASSWORD: '' }, 'CALLOSUM_DATABASE_PASSWORD is not set'],
  ])('%s is noticed', (_, change, problem) => {
    const problems = environmentProblems(
      'result-publisher',
      { ...good(), ...change },
      facts.services['result-publisher'],
    );
    expect(problems.join('\n')).toContain(problem);
    expect(problems).toHaveLength(1);
  });
  it('a site names settings of its own with components.*.env, and a wrong one is noticed', () => {
    const text = render(['ci/site.yaml'], ['--set', 'components.study-index.env.CALLOSUM_QUIET_PERIOD_MS=30000']);
    const container = workloadsOf(objectsOf(text)).find(({ component }) => component === 'study-index')?.pod
      .containers[0];
    expect(envOf(container as Container)['CALLOSUM_QUIET_PERIOD_MS']).toBe('30000');
  });
});
