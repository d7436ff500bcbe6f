import { describe, expect, it } from 'vitest';

import { type KubernetesObject, objects, of, stoppedAndRewound, variants } from './chart.js';
import { siteFacts } from './facts.js';

const prod = variants['prod'] ?? [];

describe('maintenance', () => {
  const jobsOf = (component: string, all: readonly KubernetesObject[]) =>
    of('Job', all).filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/component'] === component);
  const named = (all: readonly KubernetesObject[], name: string) => all.find(({ metadata }) => metadata.name === name);

  it('the toolbox is off by default, and there without a pod where it is on', () => {
    expect(named(objects(['ci/site.yaml']), 'callosum-toolbox')).toBeUndefined();
    const all = objects(['ci/site.yaml'], ['--set', 'toolbox.enabled=true,defaults.autoscaling.type=hpa']);
    expect(of('Deployment', all).find(({ metadata }) => metadata.name === 'callosum-toolbox')?.spec['replicas']).toBe(
      0,
    );
    expect(of('HorizontalPodAutoscaler', all).map(({ metadata }) => metadata.name)).not.toContain('callosum-toolbox');
  });

  it('the toolbox holds what it proves itself with, and no secret of a service', () => {
    const volumes = (all: readonly KubernetesObject[]) =>
      [...JSON.stringify(named(of('Deployment', all), 'callosum-toolbox')).matchAll(/"secretName":"([\w-]+)"/g)].map(
        ([, name]) => name,
      );
    expect(volumes(objects(prod))).toEqual(['callosum-cli-internal-tls']);
    expect(volumes(objects(['ci/site.yaml'], ['--set', 'toolbox.enabled=true']))).toEqual(['callosum-service-keys']);
  });

  it('the rebuild of the index waits for a person, and runs once', () => {
    const [cron] = of('CronJob', objects(prod));
    expect(cron?.spec['suspend']).toBe(true);
    expect(JSON.stringify(cron?.spec)).toContain('"args":["callosum","reindex"]');
    expect(JSON.stringify(cron?.spec)).toContain('"backoffLimit":0');
  });

  it('a stopped site runs no pod of a service, has nothing that starts one, and leaves the database alone', () => {
    const all = objects(prod, ['--is-upgrade', '--set', 'maintenance.stopped=true']);
    for (const name of Object.keys(siteFacts().services))
      expect(named(of('Deployment', all), `callosum-${name}`)?.spec['replicas'], name).toBe(0);
    expect(of('HorizontalPodAutoscaler', all)).toEqual([]);
    // Deleted, it would leave what KEDA started between the two steps of an upgrade.
    const paused = of('ScaledObject', all).filter(({ metadata }) => !metadata.name.includes('worker'));
    expect(paused).toHaveLength(4);
    for (const { metadata } of paused)
      expect(metadata.annotations, metadata.name).toEqual({ 'autoscaling.keda.sh/paused-replicas': '0' });
    for (const { metadata } of of('ScaledObject', objects(prod))) expect(metadata.annotations).toBeUndefined();
    expect(of('Job', all)).toEqual([]);
    const [set] = of('StatefulSet', objects(['values-small.yaml'], ['--set', 'maintenance.stopped=true']));
    expect(set?.spec['replicas']).toBe(0);
  });

  it('a rewind is a Job of its own for each moment, as a user who may move groups and write nothing', () => {
    const all = objects(prod, stoppedAndRewound);
    const [job] = jobsOf('rewind', all);
    expect(JSON.stringify(job?.spec)).toContain('"args":["rewind","--to","2026-11-25T03:00:00+01:00"]');
    const other = objects(prod, ['--set', 'maintenance.stopped=true,maintenance.rewindTo=2026-11-25T03:00:01+01:00']);
    expect(jobsOf('rewind', other)[0]?.metadata.name).not.toBe(job?.metadata.name);
    const user = JSON.stringify(named(of('KafkaUser', all), 'callosum-rewind')?.spec);
    for (const [name, { consumes }] of Object.entries(siteFacts().services))
      for (const text of consumes.length > 0 ? [name, ...consumes] : []) expect(user).toContain(`"name":"${text}"`);
    expect(user).not.toMatch(/Write|Alter|Delete|Create/);
  });

  it('what a Kafka that lost its data is told again is a Job with the roles of all services, and no administrator', () => {
    const [job] = jobsOf('announce', objects(prod, stoppedAndRewound));
    const text = JSON.stringify(job?.spec);
    expect(text).toContain('"args":["announce","--since","2026-11-25T04:00:00Z"]');
    expect([...text.matchAll(/"secretName":"([\w-]+)"/g)].map(([, name]) => name)).toEqual([
      'callosum-database-roles',
      'callosum-postgresql-ca',
    ]);
    expect(text).not.toMatch(/ADMIN|KAFKA/);
  });
});
