import { services } from '@callosum/all-in-one/services';
import { authSettings } from '@callosum/auth';
import { cliSettings } from '@callosum/cli/settings';
import { parseSettings, SettingsError, type SettingsSchema } from '@callosum/config';
import { migrationSettings, platformSettings, type ServiceDefinition } from '@callosum/runtime';
import { workerSettings } from '@callosum/worker-sdk';
import { z } from 'zod';

/** Read outside the schemas: the data folder, before there are settings. */
const beside: Readonly<Record<string, readonly string[]>> = { 'all-in-one': ['CALLOSUM_DATA_DIR'] };
const migrationNeeds = /^CALLOSUM_(DATABASE_(HOST|PORT|NAME|TLS.*)|EVENT_LOG)$/;
const rewindNeeds = /^CALLOSUM_(KAFKA_\w+|EVENT_LOG)$/;

/** What a service alone in its process must be told in production: the defaults of these are one machine's. */
const production = [
  'CALLOSUM_HTTP_HOST',
  'CALLOSUM_PUBLIC_URL',
  'CALLOSUM_DATABASE_HOST',
  'CALLOSUM_DATABASE_TLS',
  'CALLOSUM_DATABASE_USER',
  'CALLOSUM_DATABASE_PASSWORD',
  'CALLOSUM_EVENT_LOG',
  'CALLOSUM_KAFKA_BROKERS',
  'CALLOSUM_KAFKA_REPLICATION',
];

/** Read by Node itself, whatever it runs. */
const ofNode = 'NODE_OPTIONS';

export interface EnvironmentNeeds {
  readonly calls?: readonly string[];
  readonly objectStore?: boolean;
}

/** What is wrong with the environment a deployment gives an entry of the image: unknown, missing and unusable settings. */
export function environmentProblems(
  entry: string,
  env: Readonly<Record<string, string>>,
  needs?: EnvironmentNeeds,
): string[] {
  const schemas = schemasOf(entry);
  const known = new Set([...schemas.flatMap(({ shape }) => Object.keys(shape)), ...(beside[entry] ?? []), ofNode]);
  const unknown = Object.keys(env).filter((name) => !known.has(name));
  const missing = needs ? required(needs).filter((name) => !env[name]) : [];
  return [
    ...unknown.map((name) => `${entry}: ${name} is no setting`),
    ...missing.map((name) => `${entry}: ${name} is not set`),
    ...schemas.flatMap((schema) => unusable(schema, env)),
  ];
}

function schemasOf(entry: string): SettingsSchema[] {
  if (entry === 'worker') return [workerSettings];
  if (['callosum', 'toolbox', 'reindex'].includes(entry)) return [cliSettings, authSettings];
  if (entry === 'migrate') return [platformSettingsLike(migrationNeeds), migrationSettings];
  if (entry === 'announce')
    return [platformSettingsLike(migrationNeeds), migrationSettings.pick({ CALLOSUM_DATABASE_PASSWORDS_DIR: true })];
  if (entry === 'rewind') return [platformSettingsLike(rewindNeeds)];
  const own = services.filter(({ name }: ServiceDefinition) => entry === 'all-in-one' || entry === name);
  return [platformSettings, ...own.map(({ settings }) => settings)];
}

const platformSettingsLike = (pattern: RegExp): SettingsSchema =>
  z.object(Object.fromEntries(Object.entries(platformSettings.shape).filter(([name]) => pattern.test(name))));

function required({ calls = [], objectStore = false }: EnvironmentNeeds): string[] {
  const addresses: Record<string, string> = {
    'study-index': 'CALLOSUM_STUDY_INDEX_GRPC',
    'identity-mapping': 'CALLOSUM_IDENTITY_GRPC',
    'fhir-gateway': 'CALLOSUM_FHIR_URL',
  };
  return [
    ...production,
    ...calls.map((callee) => addresses[callee] ?? `an address of ${callee}`),
    ...(objectStore ? ['CALLOSUM_OBJECT_STORE', 'CALLOSUM_S3_BUCKET'] : []),
  ];
}

function unusable(schema: SettingsSchema, env: Readonly<Record<string, string>>): string[] {
  try {
    parseSettings(schema, env);
    return [];
  } catch (error) {
    return error instanceof SettingsError ? [...error.problems] : [String(error)];
  }
}
