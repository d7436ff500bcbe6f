import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { services as definitions } from '@callosum/all-in-one/services';
import { topicCatalogue, topics } from '@callosum/contracts';
import { describe, expect, it } from 'vitest';

import { kubeconform, schemaFolder } from './binaries.js';
import {
  chartFolder,
  kafkaWithTokens,
  type KubernetesObject,
  objects,
  objectsOf,
  of,
  operatorApis,
  recovered,
  render,
  runHelm,
  stoppedAndRewound,
  template,
  variants,
} from './chart.js';
import { siteFacts } from './facts.js';
import { repositoryRoot } from './repository.js';
import { workloadsOf } from './workloads.js';

const names = Object.keys(variants);
const prod = variants['prod'] ?? [];

describe('the chart', () => {
  it.each(names)('lints with the values of %s', (variant) => {
    const values = (variants[variant] ?? []).flatMap((file) => ['-f', file]);
    const { ok, stdout } = runHelm(['lint', '.', '--strict', '--set', 'skipCrdCheck=true', ...values]);
    expect(ok, stdout).toBe(true);
  });

  it.each(['1.32.0', '1.37.0'])('is valid for Kubernetes %s and the CRDs of the operators', (version) => {
    const schemas = schemaFolder();
    const rendered = [
      ...names.map((variant) => render(variants[variant] ?? [], [], version)),
      render(prod, stoppedAndRewound, version),
      render(prod, recovered, version),
      render(variants['external'] ?? [], kafkaWithTokens, version),
    ].join('\n---\n');
    const check = (input: string) =>
      spawnSync(
        kubeconform(),
        [
          '-strict',
          '-summary',
          // Its schema is not among the others; database.spec.ts holds what the chart writes of it.
          '-skip',
          'ScheduledBackup',
          '-kubernetes-version',
          version,
          '-schema-location',
          `${schemas}/{{ .NormalizedKubernetesVersion }}-standalone-strict/{{ .ResourceKind }}{{ .KindSuffix }}.json`,
          '-schema-location',
          `${schemas}/crds/{{ .Group }}/{{ .ResourceKind }}_{{ .ResourceAPIVersion }}.json`,
        ],
        { input, encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 },
      );
    const topics = readFileSync(join(repositoryRoot, 'deploy/kafka/topics.yaml'), 'utf8');
    const { stdout, status } = check(`${rendered}\n---\n${topics}`);
    expect(stdout).toMatch(/Valid: \d{3}, Invalid: 0, Errors: 0, Skipped: 3\b/);
    expect(status).toBe(0);
    // The judge itself: a word the schema does not know.
    expect(check(rendered.replace('readOnlyRootFilesystem', 'readOnlyRootFileSystem')).status).not.toBe(0);
  });

  // What a change to a template does to a site is read in the diff of these.
  it.each(names)('renders the committed example of %s (npx vitest run -u writes it anew)', async (variant) => {
    await expect(render(variants[variant] ?? [])).toMatchFileSnapshot(join(chartFolder, 'examples', `${variant}.yaml`));
  });

  it('says each thing only the site knows, when it is not told', () => {
    const { ok, stderr } = template([]);
    expect(ok).toBe(false);
    for (const missing of [
      '/publicUrl',
      '/auth/oidc/issuer',
      '/dicom/aes',
      '/networkPolicy/database',
      '/networkPolicy/oidc',
    ])
      expect(stderr).toContain(missing);
  });

  it.each([
    ['a word it does not know', ['componnets.x=1'], 'additional properties'],
    ['the same in depth', ['components.dicomweb.resources.limits.memry=1Gi'], 'memry'],
    ['services of several pods without authentication', ['auth.enabled=false'], '/auth/enabled'],
    ['an issuer that anybody could answer for', ['auth.oidc.issuer=http://id.example.org'], '/auth/oidc/issuer'],
    ['a sign-in that is none of OpenID Connect', ['auth.oidc.viewerScope=profile'], '/auth/oidc/viewerScope'],
    ['the tag latest', ['image.tag=latest'], '/image/tag'],
    ['a worker of the tag latest', ['workers.w.image=x:latest', 'workers.w.model=w'], '/workers/w'],
    ['no memory limit', ['components.dicomweb.resources.limits=null'], 'limits'],
    ['a grace shorter than a drain', ['defaults.terminationGracePeriodSeconds=30'], 'terminationGracePeriodSeconds'],
    ['a route without a host', ['route.type=ingress'], '/route/host'],
    ['SASL on an open line', ['kafka.sasl=scram-sha-512'], '/kafka'],
    ['a certificate on an open line', ['kafka.clientCertSecret=x'], '/kafka/tls'],
    [
      'access tokens that come from nowhere',
      ['kafka.tls=true', 'kafka.sasl=oauthbearer', 'kafka.credentialsSecret=x'],
      '/kafka/oauth/tokenUrl',
    ],
    ['S3 as a role that is taken on nowhere', ['objectStore.credentialsSecret='], '/networkPolicy/workloadIdentity'],
    ['a Kafka that loses events with one broker, unless it is wanted', ['kafka.replication=2'], '/kafka/smallSite'],
    ['certificates between services that nobody makes', ['auth.internal=mtls'], '/certificates'],
    ['a rewind beside running services', ['maintenance.rewindTo=2026-11-25T03:00:00Z'], '/maintenance/stopped'],
    [
      'a moment that another zone would read otherwise',
      ['maintenance.stopped=true', 'maintenance.rewindTo=2026-11-25T03:00:00'],
      '/maintenance/rewindTo',
    ],
    ['a public URL with a query', ['publicUrl=https://pacs.example.org/?a=b'], '/publicUrl'],
    ['any page on the net as a reader of studies', ['corsOrigins={*}'], '/corsOrigins/0'],
    ['a page that anybody on the way could be', ['corsOrigins={http://viewer.example.org}'], '/corsOrigins/0'],
    ['an AE title of 17 characters', ['dicom.aeTitle=ABCDEFGHIJKLMNOPQ'], '/dicom/aeTitle'],
    [
      'a setting that is no environment variable',
      ['components.dicomweb.env.lower=1'],
      "'lower' does not match pattern",
    ],
  ])('refuses %s', (_, settings, place) => {
    const { ok, stderr } = template(
      ['ci/site.yaml'],
      settings.flatMap((one) => ['--set', one]),
    );
    expect(ok).toBe(false);
    expect(stderr).toContain(place);
  });

  it.each([
    ['strimzi.enabled=true', 'kafka.strimzi.io/v1'],
    ['cloudnativepg.enabled=true', 'postgresql.cnpg.io/v1'],
    ['monitoring.serviceMonitor=true', 'monitoring.coreos.com/v1'],
    ['monitoring.prometheusRule=true', 'monitoring.coreos.com/v1'],
    ['components.study-index.autoscaling.type=keda', 'keda.sh/v1alpha1'],
  ])('%s is off by default, refused where the cluster lacks %s, and on where it is said to have it', (setting, api) => {
    const ask = (extra: string[]) => runHelm(['template', 'callosum', '.', '-f', 'ci/site.yaml', ...extra]);
    const groups = (yaml: string): string[] => objectsOf(yaml).map(({ apiVersion }) => apiVersion);
    const plain = ask([]);
    expect(groups(plain.stdout)).not.toContain(api);
    const lacking = ask(['--set', setting]);
    expect(lacking.ok).toBe(false);
    expect(lacking.stderr).toContain(`does not know ${api}`);
    expect(groups(ask(['--set', setting, '--api-versions', api]).stdout)).toContain(api);
    expect(groups(ask(['--set', `${setting},skipCrdCheck=true`]).stdout)).toContain(api);
  });

  it('uses no operator whose schema is not checked', () => {
    const used = new Set(
      names.flatMap((variant) => objects(variants[variant] ?? []).map(({ apiVersion }) => apiVersion)),
    );
    const own = [...used].filter(
      (api) => (/\.(?!k8s\.io\/v\d+$)/.test(api) && !api.endsWith('.k8s.io/v1')) || api.startsWith('gateway'),
    );
    expect(own.sort()).toEqual([...operatorApis].sort());
  });
});

describe('the high-availability values', () => {
  const all = objects(prod);

  it('give three brokers that keep an acknowledged event through the loss of one', () => {
    const [kafka] = of('Kafka', all);
    const config = (kafka?.spec['kafka'] as { config: Record<string, unknown> }).config;
    expect(of('KafkaNodePool', all)[0]?.spec['replicas']).toBe(3);
    expect(config).toMatchObject({
      'default.replication.factor': 3,
      'min.insync.replicas': 2,
      'offsets.topic.replication.factor': 3,
      'unclean.leader.election.enable': false,
      'auto.create.topics.enable': false,
    });
  });

  it('make every topic of the catalogue and its dead letters, as the services would', () => {
    const made = of('KafkaTopic', all).map(({ metadata, spec }) => ({
      name: metadata.name,
      partitions: spec['partitions'],
      config: spec['config'],
    }));
    expect(made).toEqual(siteFacts().topics);
    expect(made.map(({ name }) => name)).toEqual(expect.arrayContaining(topicCatalogue.map(({ name }) => name)));
    expect(of('KafkaTopic', all).every(({ spec }) => spec['replicas'] === 3)).toBe(true);
  });

  it('let each service write and read its own topics and no others', () => {
    interface Acl {
      readonly resource: { readonly type: string; readonly name?: string };
      readonly operations: readonly string[];
    }
    for (const [name, { consumes, produces }] of Object.entries(siteFacts().services)) {
      const user = of('KafkaUser', all).find(({ metadata }) => metadata.name === `callosum-${name}`);
      const { acls } = user?.spec['authorization'] as { acls: Acl[] };
      const may = (operation: string, type: string) =>
        acls
          .filter(({ resource, operations }) => resource.type === type && operations.includes(operation))
          .map(({ resource }) => resource.name);
      expect(may('Read', 'topic').sort(), name).toEqual([...consumes].sort());
      expect(may('Write', 'topic').sort(), name).toEqual(
        [...produces, ...consumes.map((topic) => `${topic}.${name}.dlq`)].sort(),
      );
      expect(may('Read', 'group'), name).toEqual(consumes.length > 0 ? [name] : []);
    }
  });

  it('let each service that relays the outbox of the archive write what stands in it', () => {
    const { name: stored } = topics.instanceStored;
    const storing = definitions.filter(({ usesArchive }) => usesArchive).map(({ name }) => name);
    expect(storing).toContain('study-index');
    for (const name of storing) expect(siteFacts().services[name]?.produces, name).toContain(stored);
  });

  it('give PostgreSQL three instances, and an administrator who is no superuser', () => {
    const [cluster] = of('Cluster', all);
    expect(cluster?.spec).toMatchObject({ instances: 3, enableSuperuserAccess: false });
    expect(cluster?.spec['managed']).toEqual({
      roles: [
        expect.objectContaining({
          name: 'callosum_admin',
          createrole: true,
          passwordSecret: { name: 'callosum-database-admin' },
        }),
      ],
    });
    expect(cluster?.metadata.annotations).toMatchObject({ 'helm.sh/resource-policy': 'keep' });
  });

  it('give every service two replicas or more', () => {
    for (const name of Object.keys(siteFacts().services)) {
      const scaler = all.find(
        ({ kind, metadata }) =>
          /HorizontalPodAutoscaler|ScaledObject/.test(kind) && metadata.name === `callosum-${name}`,
      );
      expect(Number(scaler?.spec['minReplicas'] ?? scaler?.spec['minReplicaCount']), name).toBeGreaterThanOrEqual(2);
    }
  });

  it('scale consumers by the lag of their own group on each topic they read, and workers by the queue of their model', () => {
    const scaled = of('ScaledObject', all);
    const triggers = (name: string) =>
      scaled.find(({ metadata }) => metadata.name === `callosum-${name}`)?.spec['triggers'] as {
        type: string;
        metadata: Record<string, string>;
      }[];
    for (const [name, { consumes }] of Object.entries(siteFacts().services)) {
      if (!scaled.some(({ metadata }) => metadata.name === `callosum-${name}`)) continue;
      expect(triggers(name).map(({ metadata }) => metadata['topic'])).toEqual(consumes);
      expect(triggers(name).every(({ metadata }) => metadata['consumerGroup'] === name)).toBe(true);
    }
    expect(triggers('worker-lung-ct')).toEqual([
      {
        type: 'prometheus',
        metadata: {
          serverAddress: 'http://prometheus.monitoring:9090',
          query: 'max(callosum_inference_jobs_queued{callosum_model="lung-ct",callosum_site=~"default|"})',
          threshold: '2',
        },
      },
    ]);
  });

  it('certify each service to the others under its own name', () => {
    const uris = of('Certificate', all).flatMap(({ spec }) => (spec['uris'] as string[] | undefined) ?? []);
    // And the command line, which answers nobody.
    expect(uris.sort()).toEqual(
      [...Object.keys(siteFacts().services), 'cli'].map((name) => `spiffe://callosum/${name}`).sort(),
    );
    const cli = of('Certificate', all).find(({ metadata }) => metadata.name === 'callosum-cli-internal');
    expect(cli?.spec['usages']).toEqual(['digital signature', 'client auth']);
  });

  it('take every Secret a pod mounts or reads from somewhere', () => {
    const text = render(prod);
    const used = new Set(
      [...text.matchAll(/secretKeyRef: \{ name: ([\w.-]+)|secretName: ([\w.-]+)/g)].map(([, a, b]) => a ?? b),
    );
    const made = new Set([
      ...of('ExternalSecret', all).map(({ metadata }) => metadata.name),
      ...of('Certificate', all).map(({ spec }) => String(spec['secretName'])),
      ...of('KafkaUser', all).map(({ metadata }) => metadata.name),
      'callosum-cluster-ca-cert',
      // CloudNativePG's, whose key stays out of pods (below).
      'callosum-postgresql-ca',
    ]);
    expect([...used].filter((name) => !made.has(name ?? ''))).toEqual([]);
  });

  it('reach PostgreSQL under the name and by the authority of its Cluster, and leave the key of that authority alone', () => {
    const asking = workloadsOf(all).filter(({ pod }) =>
      pod.containers.some(({ env }) => env?.some(({ name }) => name === 'CALLOSUM_DATABASE_HOST')),
    );
    expect(asking.map(({ component }) => component).sort()).toEqual(
      ['migrate', ...Object.keys(siteFacts().services)].sort(),
    );
    for (const { component, pod } of asking) {
      const env = new Map(pod.containers[0]?.env?.map(({ name, value }) => [name, value]));
      expect(env.get('CALLOSUM_DATABASE_TLS'), component).toBe('verify-full');
      expect(env.get('CALLOSUM_DATABASE_TLS_CA_FILE'), component).toBe('/etc/callosum/database-ca/ca.crt');
      expect(pod.volumes?.find(({ name }) => name === 'database-ca')?.['secret'], component).toMatchObject({
        secretName: 'callosum-postgresql-ca',
        items: [{ key: 'ca.crt', path: 'ca.crt' }],
      });
    }
  });

  it('ask a GPU for the worker that needs one, where there is one, and let it run there', () => {
    const gpu = of('Deployment', all).find(({ metadata }) => metadata.name === 'callosum-worker-chest-triage');
    expect(JSON.stringify(gpu?.spec)).toContain('"nvidia.com/gpu":1');
    expect(JSON.stringify(gpu?.spec)).toContain(
      '"tolerations":[{"effect":"NoSchedule","key":"nvidia.com/gpu","operator":"Exists"}]',
    );
    expect(JSON.stringify(gpu?.spec)).toContain('"nodeSelector":{"nvidia.com/gpu.present":"true"}');
  });
});

describe('the migration', () => {
  const job = (files: readonly string[], extra: readonly string[] = []): KubernetesObject | undefined =>
    of('Job', objects(files, extra))[0];

  it('runs before an install and before the new pods of an upgrade, with what it needs before it', () => {
    const all = objects(['ci/site.yaml']);
    const hooked = all.filter(({ metadata }) => metadata.name === 'callosum-migrate');
    expect(hooked.map(({ kind }) => kind).sort()).toEqual(['Job', 'NetworkPolicy', 'ServiceAccount']);
    for (const { metadata } of hooked)
      expect(metadata.annotations?.['helm.sh/hook'], metadata.name).toBe('pre-install,pre-upgrade');
    const weight = (kind: string) => Number(of(kind, hooked)[0]?.metadata.annotations?.['helm.sh/hook-weight']);
    expect(weight('ServiceAccount')).toBeLessThan(weight('Job'));
    expect(weight('NetworkPolicy')).toBeLessThan(weight('Job'));
  });

  it('has names of its own where it comes with the release: a rollback would find what a hook left under them', () => {
    const made = (extra: readonly string[]) =>
      objects(prod, extra).flatMap(({ kind, metadata }) =>
        metadata.name.includes('migrate') ? [`${kind} ${metadata.name}`] : [],
      );
    const [first, later] = [made([]), made(['--is-upgrade'])];
    expect(first).toHaveLength(3);
    expect(later).toHaveLength(3);
    expect(first.filter((one) => later.includes(one))).toEqual([]);
  });

  it('comes with an install that also makes the database, and runs before the pods of every upgrade', () => {
    expect(job(prod)?.metadata.annotations).toBeUndefined();
    expect(job(prod, ['--is-upgrade'])?.metadata.annotations?.['helm.sh/hook']).toBe('pre-upgrade');
  });

  it('is given the password of every role, and no pod is given that of another', () => {
    const [roles] = of('ExternalSecret', objects(prod)).filter(
      ({ metadata }) => metadata.name === 'callosum-database-roles',
    );
    const keys = (roles?.spec['data'] as { secretKey: string }[]).map(({ secretKey }) => secretKey);
    expect(keys.sort()).toEqual(['archive', ...Object.values(siteFacts().services).map(({ schema }) => schema)].sort());
    for (const { metadata, spec } of of('Deployment', objects(prod))) {
      const read = [...JSON.stringify(spec).matchAll(/"name":"callosum-database-roles","key":"(\w+)"/g)].map(
        ([, key]) => key,
      );
      const own = siteFacts().services[metadata.name.replace(/^callosum-/, '')]?.schema;
      expect(read, metadata.name).toEqual(own ? [own] : []);
    }
  });

  it('takes no pod away before its successor is ready', () => {
    for (const { spec } of of('Deployment', objects(prod)))
      expect(spec['strategy']).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } });
  });
});

describe('one pod', () => {
  it.each(['fhir.url=https://ehr.example.org/fhir', 'toolbox.enabled=true'])(
    'refuses %s, which it would not heed',
    (set) => {
      const { ok, stderr } = template(['values-small.yaml'], ['--set', set]);
      expect(ok).toBe(false);
      expect(stderr).toContain(`/${set.replace('.', '/').split('=')[0]}`);
    },
  );

  it('listens on loopback only without authentication, has no Service, and asks itself how it is', () => {
    const all = objects(['values-small.yaml']);
    expect(of('Service', all)).toEqual([]);
    const text = JSON.stringify(of('StatefulSet', all)[0]);
    expect(text.match(/"CALLOSUM_\w+_HOST","value":"([\d.]+)"/g)?.every((one) => one.includes('127.0.0.1'))).toBe(true);
    expect(text).toContain('"exec":{"command":["node","/app/entry.mjs","healthcheck","/readyz"]}');
  });

  it('holds its folder alone', () => {
    const [set] = of('StatefulSet', objects(['values-small.yaml']));
    const [claim] = set?.spec['volumeClaimTemplates'] as { spec: { accessModes: string[] } }[];
    expect(claim?.spec.accessModes).toEqual(['ReadWriteOncePod']);
    expect(set?.spec['replicas']).toBe(1);
  });
});

describe('what people reach', () => {
  it.each(['external', 'prod'])('%s: every path of every service, at that service', (variant) => {
    const all = objects(variants[variant] ?? []);
    const paths = Object.entries(siteFacts().services).flatMap(([name, { http }]) =>
      http.map((path) => `${path} callosum-${name}`),
    );
    const ingress = of('Ingress', all).flatMap(({ spec }) =>
      (spec['rules'] as { http: { paths: { path: string; backend: { service: { name: string } } }[] } }[]).flatMap(
        ({ http }) => http.paths.map(({ path, backend }) => `${path} ${backend.service.name}`),
      ),
    );
    const routes = of('HTTPRoute', all).flatMap(({ spec }) =>
      (spec['rules'] as { matches: { path: { value: string } }[]; backendRefs: { name: string }[] }[]).flatMap(
        ({ matches, backendRefs }) => matches.map(({ path }) => `${path.value} ${backendRefs[0]?.name}`),
      ),
    );
    expect([...ingress, ...routes].sort()).toEqual(paths.sort());
  });

  it.each(['external', 'prod'])('%s: under the path of the public URL, which services take off', (variant) => {
    const prefixed = ['--set', 'publicUrl=https://callosum.example.org/imaging/pacs/'];
    const pathsOf = (more: readonly string[]): string[] => {
      const text = render(variants[variant] ?? [], more);
      return [
        ...text.matchAll(/(?:path: |PathPrefix, value: )(\/(?:imaging\/pacs\/)?(?:dicom-web|viewer|fhir|api)\S*)/g),
      ]
        .map(([, path]) => path ?? '')
        .sort();
    };
    const plain = pathsOf([]);
    expect(plain).toContain('/viewer');
    expect(pathsOf(prefixed)).toEqual(plain.map((path) => `/imaging/pacs${path}`));
  });

  it('may be read by the pages of other origins that are named, and only DICOMweb is told which', () => {
    const named = ['--set', 'corsOrigins={https://viewer.example.org,https://ai.example.org:8443}'];
    const told = (more: readonly string[]): string[] =>
      workloadsOf(objectsOf(render(variants['external'] ?? [], more))).flatMap(({ component, pod }) =>
        pod.containers.flatMap(({ env = [] }) =>
          env.filter(({ name }) => name === 'CALLOSUM_CORS_ORIGINS').map(({ value }) => `${component} ${value}`),
        ),
      );
    expect(told([])).toEqual([]);
    expect(told(named)).toEqual(['dicomweb https://viewer.example.org,https://ai.example.org:8443']);
  });

  it('asks for the scopes that the issuer gives the audience or refresh tokens by', () => {
    const scope = '--set-string=auth.oidc.viewerScope=openid api://callosum/read offline_access';
    const told = workloadsOf(objectsOf(render(variants['external'] ?? [], [scope]))).flatMap(({ component, pod }) =>
      pod.containers.flatMap(({ env = [] }) =>
        env
          .filter(({ name }) => component === 'dicomweb' && name === 'CALLOSUM_AUTH_VIEWER_SCOPE')
          .map(({ value }) => value),
      ),
    );
    expect(told).toEqual(['openid api://callosum/read offline_access']);
  });

  it('is the same where no policies are wanted', () => {
    const off = {
      files: ['ci/site.yaml', 'ci/external.yaml'],
      set: ['--set', 'networkPolicy.enabled=false,networkPolicy.ingressController=null'],
    };
    const services = (all: readonly KubernetesObject[]) =>
      of('Service', all).map(
        ({ metadata, spec }) =>
          `${metadata.name} ${(spec['ports'] as { port: number }[]).map(({ port }) => port).join()}`,
      );
    const without = objects(off.files, off.set);
    expect(of('NetworkPolicy', without)).toEqual([]);
    expect(services(without)).toEqual(services(objects(off.files)));
  });

  it('DICOM comes to a Service that keeps the source address', () => {
    const dimse = of('Service', objects(['ci/site.yaml'])).find(
      ({ metadata }) => metadata.name === 'callosum-dimse-ingest-dimse',
    );
    expect(dimse?.spec).toMatchObject({
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      ports: [{ port: 11112 }],
    });
  });
});

describe('figures', () => {
  it('of every request and limit name where they were measured, or whose they are', () => {
    for (const file of ['values.yaml', 'ci/site-prod.yaml']) {
      const lines = readFileSync(join(chartFolder, file), 'utf8').split('\n');
      lines.forEach((line, at) => {
        if (!/^\s*resources:\s*$/.test(line)) return;
        const around = `${lines[at - 1]}\n${lines[at + 1]}`;
        expect(around, `${file}:${at + 1}`).toMatch(
          /#.*([Mm]easured: docs\/benchmarks\/footprint\.md|own advice|vendor's figures)/,
        );
      });
    }
  });

  it('that are said to be measured stand in docs/benchmarks/footprint.md, and fit under what the chart gives', () => {
    const table = readFileSync(join(repositoryRoot, 'docs/benchmarks/footprint.md'), 'utf8');
    const mebibytes = (quantity: string): number => Number.parseFloat(quantity) * (quantity.endsWith('Gi') ? 1024 : 1);
    const text = [
      readFileSync(join(chartFolder, 'values.yaml'), 'utf8'),
      readFileSync(join(chartFolder, 'ci/site-prod.yaml'), 'utf8'),
    ].join('\n');
    const given = [
      ...text.matchAll(
        /footprint\.md, "([\w-]+)".*\n(?:\s*#.*\n|\s*resources:\n)*\s*requests: \{ cpu: \S+, memory: (\w+) \}\n\s*limits: \{ memory: (\w+) \}/g,
      ),
    ];
    expect(given.length).toBe(11);
    for (const [, name = '', request = '', limit = ''] of given) {
      const row = new RegExp(`^\\| ${name} \\| (\\d+) \\|`, 'm').exec(table);
      expect(row, `${name} has no row`).not.toBeNull();
      expect(mebibytes(request), name).toBeGreaterThanOrEqual(Number(row?.[1]));
      expect(mebibytes(limit), name).toBeGreaterThan(Number(row?.[1]) * 1.3);
      const loaded = new RegExp(`^\\| ${name} \\| \\d+ × \\d+ MiB .*\\| (\\d+) \\|$`, 'm').exec(table);
      if (loaded) expect(mebibytes(limit), `${name} under load`).toBeGreaterThan(Number(loaded[1]) * 1.3);
    }
  });
});
