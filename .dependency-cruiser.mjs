// Who may import whom, by folder (docs/adr/0003). Every rule has a planted violation in tools/planted that must
// fail: `node tools/boundaries.mjs` checks both directions.
const within = (folder) => `^${folder}/`;
const service = '^libs/services/([^/]+)/';

/** In `from`, only what matches one of `allowed` may be imported of our own code. */
const only = (name, comment, from, allowed, fromNot) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from, ...(fromNot ? { pathNot: fromNot } : {}) },
  to: { path: '^(apps|examples|libs|tools)/', pathNot: allowed },
});

const tests = '\\.spec\\.ts$|/test-support/';
const kernel = within('libs/kernel');
const contracts = within('libs/contracts');
const standards = within('libs/standards');
const platform = within('libs/platform');
const sameService = '^libs/services/$1/';

export default {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'A cycle has no bottom to start reading from.',
      severity: 'error',
      from: { pathNot: 'generated' },
      to: { circular: true },
    },
    only(
      'apps-are-thin',
      'apps → services, platform, contracts, kernel',
      '^apps/([^/]+)/src/',
      ['^apps/$1/', within('libs/services'), platform, contracts, kernel],
      `${tests}|^apps/e2e/`,
    ),
    only(
      'services-meet-through-contracts',
      'a service → platform, standards, contracts, kernel; never another service',
      service,
      [sameService, platform, standards, contracts, kernel],
      tests,
    ),
    only(
      'domain-is-pure',
      'domain → kernel, standards',
      '^libs/services/([^/]+)/src/domain/',
      ['^libs/services/$1/src/domain/', kernel, standards],
      tests,
    ),
    only(
      'application-knows-no-adapter',
      'application → domain, contracts, kernel, standards',
      '^libs/services/([^/]+)/src/application/',
      ['^libs/services/$1/src/(application|domain)/', contracts, kernel, standards],
      tests,
    ),
    {
      name: 'transport-knows-no-adapter',
      comment: 'transport → application, domain, platform; the module says which adapter stands behind a port',
      severity: 'error',
      from: { path: '^libs/services/([^/]+)/src/transport/', pathNot: tests },
      to: { path: '^libs/services/$1/src/adapters/' },
    },
    only(
      'platform-knows-no-service',
      'platform → platform, contracts, standards, kernel',
      platform,
      [platform, contracts, standards, kernel],
      tests,
    ),
    only('standards-are-pure', 'standards → standards, kernel', standards, [standards, kernel], tests),
    only('kernel-is-the-bottom', 'kernel → nothing', kernel, [kernel]),
    only('contracts-are-generated-from-proto', 'contracts → kernel', contracts, [contracts, kernel], tests),
    only(
      'examples-use-the-sdk-only',
      'examples → worker-sdk',
      '^examples/([^/]+)/',
      ['^examples/$1/', within('libs/worker-sdk')],
      tests,
    ),
    only(
      'worker-sdk-is-for-vendors',
      'worker-sdk → contracts, standards, kernel',
      within('libs/worker-sdk'),
      [within('libs/worker-sdk'), contracts, standards, kernel],
      tests,
    ),
    {
      name: 'testing-only-from-tests',
      comment: 'libs/testing starts servers; nothing that is deployed may.',
      severity: 'error',
      from: { pathNot: `${tests}|^apps/e2e/|^libs/testing/|^tools/` },
      to: { path: '^libs/testing/' },
    },
    {
      name: 'phantom-only-for-tools-sdk-and-tests',
      comment: 'No service makes synthetic patients.',
      severity: 'error',
      from: { pathNot: `${tests}|^apps/e2e/|^libs/(testing|worker-sdk|standards/phantom)/|^tools/` },
      to: { path: '^libs/standards/phantom/' },
    },
    {
      name: 'domain-has-no-framework',
      comment: 'domain: no Nest, no I/O',
      severity: 'error',
      from: { path: '^libs/services/[^/]+/src/domain/', pathNot: tests },
      to: {
        path: 'node_modules/(@nestjs|pg|kysely|kafkajs|fastify|nice-grpc|@grpc|@aws-sdk)/|^(node:)?(fs|net|http|https|child_process)(/|$)',
      },
    },
    {
      name: 'standards-have-no-nest',
      comment: 'Pure knowledge of the standards.',
      severity: 'error',
      from: { path: standards, pathNot: tests },
      to: { path: 'node_modules/@nestjs/' },
    },
    {
      name: 'dimse-library-is-a-peer-in-tests',
      comment: 'libs/standards/dimse speaks DIMSE itself (ADR 65); dcmjs-dimse is another hand to test it against.',
      severity: 'error',
      from: { pathNot: tests },
      to: { path: 'node_modules/dcmjs-dimse/' },
    },
    {
      name: 'kafka-library-behind-its-port',
      comment: 'Only libs/platform/event-log touches kafkajs.',
      severity: 'error',
      from: { pathNot: `^libs/platform/event-log/|${tests}` },
      to: { path: 'node_modules/kafkajs/' },
    },
    {
      name: 'connections-to-postgresql-are-made-in-one-place',
      comment:
        'Only libs/platform/database connects: a second place that does forgets TLS, or waits for ever (ADR 54, 55).',
      severity: 'error',
      from: { pathNot: `^libs/platform/database/|^libs/testing/|^apps/e2e/|${tests}` },
      to: { path: 'node_modules/(@types/)?pg/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'tokens-are-checked-in-one-place',
      comment: 'Only libs/platform/auth touches jose: a second place that checks tokens is one that forgets something.',
      severity: 'error',
      from: { pathNot: `^libs/platform/auth/|^libs/testing/|^apps/e2e/|${tests}` },
      to: { path: 'node_modules/jose/' },
    },
    {
      name: 'auth-keeps-no-state',
      comment: 'auth decides from tokens, certificates and settings; it has no tables, events or objects.',
      severity: 'error',
      from: { path: '^libs/platform/auth/', pathNot: tests },
      to: { path: '^libs/platform/(database|event-log|archive|object-store|runtime)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules|/dist/' },
    exclude: { path: 'generated/' },
    tsConfig: { fileName: 'tsconfig.base.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'default'] },
  },
};
