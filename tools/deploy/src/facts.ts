import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { services } from '@callosum/all-in-one/services';
import { type ServiceName, topicCatalogue } from '@callosum/contracts';
import { topicConfigs } from '@callosum/event-log';
import { platformSettings, type ServiceDefinition } from '@callosum/runtime';

import { repositoryRoot } from './repository.js';

/** A listener of one service beside HTTP and internal gRPC. */
export interface ListenerFact {
  readonly name: string;
  readonly port: number;
  /** Setting that says which address it binds to. */
  readonly host: string;
}

/** What the code says of one service and a deployment has to obey. */
export interface ServiceFact {
  readonly schema: string;
  /** Path prefixes people and EHRs reach it under. */
  readonly http: readonly string[];
  /** Internal gRPC, and where other services or people learn its address; without, only the command line in its pod calls it. */
  readonly grpc: { readonly port: number; readonly variable?: string };
  readonly listeners: readonly ListenerFact[];
  /** Services it calls. */
  readonly calls: readonly string[];
  readonly objectStore: boolean;
  readonly consumes: readonly string[];
  readonly produces: readonly string[];
  /** Settings of its own. */
  readonly settings: readonly string[];
}

export interface TopicFact {
  readonly name: string;
  readonly partitions: number;
  readonly config: Readonly<Record<string, string>>;
}

export interface SiteFacts {
  readonly services: Readonly<Record<string, ServiceFact>>;
  readonly topics: readonly TopicFact[];
  readonly platformSettings: readonly string[];
}

/** Where a service's internal gRPC is reached: the setting that names its address. */
const grpcVariables: Readonly<Record<string, string>> = {
  'study-index': 'CALLOSUM_STUDY_INDEX_GRPC',
  'identity-mapping': 'CALLOSUM_IDENTITY_GRPC',
  'inference-orchestrator': 'CALLOSUM_INFERENCE_GRPC',
};
/** The others' internal gRPC answers the command line only (ParkedService): no setting names it, so its port is here. */
const grpcPorts: Readonly<Record<string, number>> = {
  dicomweb: 50064,
  'dimse-ingest': 50065,
  'fhir-gateway': 50066,
  'result-publisher': 50067,
};
/** What a module injects or reads when it calls another service. */
const callsBy: readonly (readonly [callee: ServiceName, sign: RegExp])[] = [
  ['study-index', /\bSTUDY_INDEX\b/],
  ['identity-mapping', /\bIDENTITY\b/],
  ['fhir-gateway', /\bCALLOSUM_FHIR_URL\b/],
];

/** Everything the chart, the topic list and their tests take from the code. `replication` is of the topics. */
export function siteFacts(replication = 3): SiteFacts {
  const facts = [...services].sort((a, b) => a.name.localeCompare(b.name)).map((one) => [one.name, factOf(one)]);
  return {
    services: Object.fromEntries(facts) as Record<string, ServiceFact>,
    topics: topicConfigs(topicCatalogue, replication).map(({ topic, numPartitions, configEntries = [] }) => ({
      name: topic,
      partitions: numPartitions ?? 1,
      config: Object.fromEntries(configEntries.map(({ name, value }) => [name, value])),
    })),
    platformSettings: Object.keys(platformSettings.shape).sort(),
  };
}

function factOf(definition: ServiceDefinition): ServiceFact {
  const { name, schema, httpPrefixes, settings, usesArchive } = definition;
  const source = moduleSource(name);
  return {
    schema,
    http: httpPrefixes,
    grpc: grpcOf(name),
    listeners: listenersOf(settings.parse({})),
    calls: callsBy.filter(([callee, sign]) => callee !== name && sign.test(source)).map(([callee]) => callee),
    objectStore: usesArchive || /\bOBJECT_STORE\b/.test(source),
    consumes: topicCatalogue.filter(({ consumers }) => consumers.includes(name)).map((topic) => topic.name),
    produces: topicCatalogue.filter(({ producers }) => producers.includes(name)).map((topic) => topic.name),
    settings: Object.keys(settings.shape).sort(),
  };
}

function grpcOf(service: ServiceName): ServiceFact['grpc'] {
  const variable = grpcVariables[service];
  const port = variable ? defaultPort(variable) : grpcPorts[service];
  if (port === undefined) throw new Error(`${service} has no port for internal gRPC`);
  return { port, ...(variable ? { variable } : {}) };
}

/** The modules, and the providers beside them, wire a service: what it calls is injected there. */
function moduleSource(service: string): string {
  const folder = join(repositoryRoot, 'libs/services', service, 'src');
  return readdirSync(folder)
    .filter((file) => /\.(module|providers)\.ts$/.test(file))
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .join('\n');
}

/** CALLOSUM_DIMSE_HOST and CALLOSUM_DIMSE_PORT make the listener "dimse". */
function listenersOf(defaults: Readonly<Record<string, unknown>>): ListenerFact[] {
  return Object.keys(defaults).flatMap((host) => {
    const name = /^CALLOSUM_([A-Z]+)_HOST$/.exec(host)?.[1];
    const port = name && defaults[`CALLOSUM_${name}_PORT`];
    return typeof port === 'number'
      ? [{ name: listenerNames[name ?? ''] ?? String(name).toLowerCase(), port, host }]
      : [];
  });
}
const listenerNames: Readonly<Record<string, string>> = { GRPC: 'worker' };

function defaultPort(variable: string): number {
  const address: unknown = platformSettings.parse({})[variable as 'CALLOSUM_STUDY_INDEX_GRPC'];
  return Number(/:(\d+)$/.exec(String(address))?.[1]);
}
