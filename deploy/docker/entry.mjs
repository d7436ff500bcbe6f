// What the image runs: `docker run callosum <entry>`. One image holds every service, so that a site moves to a version
// as a whole. No shell is needed: the process that answers signals is Node itself.
import { request } from 'node:http';
import { fileURLToPath } from 'node:url';

const service = (name) => ({ module: `apps/${name}/dist/main.js`, says: 'a service' });

/** What can be asked for, and the module that does it, relative to the runtime folder. */
export const entries = {
  'dimse-ingest': service('dimse-ingest'),
  dicomweb: service('dicomweb'),
  'study-index': service('study-index'),
  'identity-mapping': service('identity-mapping'),
  'inference-orchestrator': service('inference-orchestrator'),
  'result-publisher': service('result-publisher'),
  'fhir-gateway': service('fhir-gateway'),
  'all-in-one': { module: 'apps/all-in-one/dist/main.js', says: 'every service in one process, embedded parts' },
  migrate: { module: 'apps/all-in-one/dist/migrate.js', says: 'brings the database to this version, then ends' },
  rewind: {
    module: 'apps/all-in-one/dist/rewind.js',
    says: 'gives Kafka groups facts again, after a restored database',
  },
  announce: {
    module: 'apps/all-in-one/dist/announce.js',
    says: 'sends facts again, to a Kafka that lost its data',
  },
  'lung-ct': { module: 'examples/lung-ct/dist/main.js', says: 'the reference worker' },
  callosum: { module: 'apps/cli/dist/main.js', says: 'the command line: callosum --help' },
};

/** A pod from which people run the command line: it holds the identity and does nothing until it is ended. */
function toolbox() {
  const day = setInterval(() => undefined, 86_400_000);
  // Process 1 has no default for signals.
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => clearInterval(day));
}

const usage = `callosum image: name one of these, then its arguments\n${Object.entries(entries)
  .map(([name, { says }]) => `  ${name.padEnd(24)}${says}\n`)
  .join('')}  ${'toolbox'.padEnd(24)}waits, so that a person may run callosum beside it
  ${'healthcheck'.padEnd(24)}0 when the service in this container answers /healthz or the path given\n`;

/** A probe that waits longer has its answer. */
const probeMs = 3_000;

/** Asks the service beside us over loopback: also one that binds to nothing else. */
function healthcheck(path = '/healthz') {
  return new Promise((resolve) => {
    const port = process.env['CALLOSUM_HTTP_PORT'] || 8080;
    const options = { host: '127.0.0.1', port, path, timeout: probeMs, signal: AbortSignal.timeout(probeMs) };
    request(options, (response) => {
      response.resume();
      resolve(response.statusCode === 200 ? 0 : 1);
    })
      .on('error', () => resolve(1))
      .end();
  });
}

async function main([name, ...args]) {
  if (name === 'toolbox') return toolbox();
  if (name === 'healthcheck') return void (process.exitCode = await healthcheck(args[0]));
  const entry = Object.hasOwn(entries, name ?? '') ? entries[name] : undefined;
  if (!entry) {
    process.stderr.write(usage);
    process.exitCode = 2;
    return;
  }
  const loaded = await import(new URL(entry.module, import.meta.url).href);
  if (name === 'callosum') process.exitCode = await loaded.run(args);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
