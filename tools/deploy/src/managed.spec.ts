import { describe, expect, it } from 'vitest';

import { kafkaWithTokens, objects, of, render, variants } from './chart.js';
import { siteFacts } from './facts.js';

const prod = variants['prod'] ?? [];

describe('managed services', () => {
  const external = variants['external'] ?? [];

  it('know each service by the role of its account, and neither workers nor jobs', () => {
    const role = { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::111122223333:role/callosum' };
    const worker =
      'workers.w.image=x:1,workers.w.model=w,workers.w.resources.requests.cpu=500m,workers.w.resources.requests.memory=1Gi,workers.w.resources.limits.memory=1Gi';
    const all = objects(external, [
      '--set',
      `components.dicomweb.serviceAccountAnnotations.own=mine,${worker},toolbox.enabled=true`,
    ]);
    const accounts = Object.fromEntries(
      of('ServiceAccount', all).map(({ metadata }) => [metadata.name.replace('callosum-', ''), metadata.annotations]),
    );
    for (const name of Object.keys(siteFacts().services))
      expect(accounts[name], name).toEqual(name === 'dicomweb' ? { ...role, own: 'mine' } : role);
    for (const name of ['worker-w', 'toolbox', 'reindex']) expect(accounts[name], name).toBeUndefined();
    // The keys the role stands for are not asked for.
    expect(render(external)).not.toContain('CALLOSUM_S3_ACCESS_KEY_ID');
  });

  it('are shown a client certificate and access tokens by services and by KEDA', () => {
    const all = objects(external, kafkaWithTokens);
    const publisher = JSON.stringify(
      of('Deployment', all).find(({ metadata }) => metadata.name === 'callosum-result-publisher')?.spec,
    );
    expect(publisher).toContain('"secretName":"kafka-client"');
    expect(publisher).toContain('{"name":"CALLOSUM_KAFKA_SASL","value":"oauthbearer"}');
    const [keda] = of('TriggerAuthentication', all);
    expect(keda?.spec['configMapTargetRef']).toEqual([
      { parameter: 'oauthTokenEndpointUri', name: 'callosum-study-index-kafka', key: 'token-url' },
      { parameter: 'scopes', name: 'callosum-study-index-kafka', key: 'scope' },
    ]);
    expect(
      JSON.stringify(of('ExternalSecret', all).find(({ metadata }) => metadata.name === 'callosum-kafka')),
    ).toContain('"secretKey":"client-secret"');
  });

  it('are not told of a proof by KEDA that nobody made', () => {
    const set = ['--set', 'kafka.sasl=,kafka.credentialsSecret=,kafka.caSecret='];
    const all = objects(external, set);
    expect(of('TriggerAuthentication', all)).toEqual([]);
    expect(JSON.stringify(of('ScaledObject', all))).not.toContain('authenticationRef');
  });

  it('find the worker port certified under the names it is reached by', () => {
    const worker = of('Certificate', objects(external)).find(({ metadata }) => metadata.name === 'callosum-worker');
    expect(worker?.spec['dnsNames']).toEqual([
      'callosum-inference-orchestrator-worker',
      'callosum-inference-orchestrator-worker.imaging.svc',
      'workers.callosum.example.org',
    ]);
  });

  it('let KEDA in from where it runs', () => {
    const [kafka] = of('Kafka', objects(prod, ['--set', 'keda.namespace=autoscaling']));
    expect(JSON.stringify(kafka?.spec)).toContain('{"kubernetes.io/metadata.name":"autoscaling"}');
  });
});

describe('secrets of a store', () => {
  it('that a hook makes anew outlive the ExternalSecret it replaces', () => {
    const made = of('ExternalSecret', objects(variants['external'] ?? [], kafkaWithTokens));
    const policy = (name: string): unknown =>
      (made.find(({ metadata }) => metadata.name === name)?.spec['target'] as { creationPolicy: string })
        .creationPolicy;
    const hooked = made.filter(({ metadata }) => metadata.annotations?.['helm.sh/hook']);
    expect(hooked.map(({ metadata }) => metadata.name).sort()).toEqual([
      'callosum-database-admin',
      'callosum-database-roles',
    ]);
    for (const { metadata } of hooked) expect(policy(metadata.name), metadata.name).toBe('Orphan');
    expect(policy('callosum-service-keys')).toBe('Owner');
  });
});
