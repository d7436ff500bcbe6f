import { describe, expect, it } from 'vitest';

import { objects, of, recovered, template, variants } from './chart.js';

const prod = variants['prod'] ?? [];

describe('the database of CloudNativePG', () => {
  const specOf = (extra: readonly string[] = []) => of('Cluster', objects(prod, extra))[0]?.spec;
  const synchronous = (extra: readonly string[] = []) =>
    (specOf(extra)?.['postgresql'] as { synchronous?: unknown }).synchronous;

  it('commits nothing that no other instance has, and promotes none that may lack it', () => {
    expect(synchronous()).toEqual({ method: 'any', number: 1, dataDurability: 'required', failoverQuorum: true });
    // What only asks for it while a standby is there.
    expect(Object.keys(specOf() ?? {})).not.toContain('minSyncReplicas');
    expect(synchronous(['--set', 'cloudnativepg.instances=1'])).toBeUndefined();
  });

  it('is backed up every night, by whatever way the site has, and its back-ups outlive the release', () => {
    const scheduled = (extra: readonly string[] = []) => of('ScheduledBackup', objects(prod, extra))[0];
    expect(scheduled()?.spec).toEqual({
      schedule: '0 30 2 * * *',
      cluster: { name: 'callosum-postgresql' },
      method: 'barmanObjectStore',
      immediate: true,
      backupOwnerReference: 'none',
    });
    expect(scheduled(['--set', 'cloudnativepg.scheduledBackup.method=plugin'])?.spec['pluginConfiguration']).toEqual({
      name: 'barman-cloud.cloudnative-pg.io',
    });
    expect(scheduled(['--set', 'cloudnativepg.scheduledBackup.schedule='])).toBeUndefined();
    // Five fields are a crontab's: the operator would take the first for seconds.
    expect(template(prod, ['--set', 'cloudnativepg.scheduledBackup.schedule=30 2 * * *']).ok).toBe(false);
  });

  it('is made from a back-up under a name of its own, to which the stopped services then connect', () => {
    const all = objects(prod, recovered);
    const [cluster] = of('Cluster', all);
    expect(cluster?.metadata.name).toBe('callosum-postgresql-2');
    expect(cluster?.spec['bootstrap']).toEqual({
      recovery: {
        database: 'callosum',
        owner: 'callosum_admin',
        secret: { name: 'callosum-database-admin' },
        source: 'callosum-postgresql',
        recoveryTarget: { targetTime: '2026-11-25T04:00:00Z' },
      },
    });
    const [external] = cluster?.spec['externalClusters'] as { name: string }[];
    expect(external?.name).toBe('callosum-postgresql');
    const index = of('Deployment', all).find(({ metadata }) => metadata.name === 'callosum-study-index');
    expect(index?.spec['replicas']).toBe(0);
    expect(JSON.stringify(index?.spec)).toContain('callosum-postgresql-2-rw');
    expect(specOf()?.['bootstrap']).toHaveProperty('initdb');
  });
});
