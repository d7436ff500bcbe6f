import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { type ServiceName, serviceNames } from '@callosum/contracts';

import { NotRunningError, type ServiceAddress, UsageError } from './errors.js';

interface RunFile {
  readonly studyIndexGrpc?: unknown;
  readonly inferenceGrpc?: unknown;
  /** Where each service answers. */
  readonly grpc?: Readonly<Partial<Record<ServiceName, string>>>;
}

/** The services the command line talks to: the setting they share their address by, and its name in run.json. */
const places = {
  'study-index': { setting: 'CALLOSUM_STUDY_INDEX_GRPC', key: 'studyIndexGrpc' },
  'inference-orchestrator': { setting: 'CALLOSUM_INFERENCE_GRPC', key: 'inferenceGrpc' },
} as const;
export type Place = keyof typeof places;

/**
 * Where a service answers: what was given, else the setting the services share, else what the system running on the
 * data folder wrote down.
 * @throws {NotRunningError}
 */
export function addressOf(service: Place, given: string | undefined, env: NodeJS.ProcessEnv): string {
  const { setting, key } = places[service];
  const address = given ?? env[setting];
  if (address) return address;
  const written = readRunFile(env)[key];
  if (typeof written === 'string') return written;
  throw new NotRunningError(dataDirOf(env));
}

/**
 * Where services answer: those given as "service=address" (on the command line, else in CALLOSUM_SERVICES_GRPC, comma-
 * separated), else those of the system running on the data folder.
 * @throws {NotRunningError}
 * @throws {UsageError}
 */
export function serviceAddresses(given: readonly string[] | undefined, env: NodeJS.ProcessEnv): ServiceAddress[] {
  const named = given ?? env['CALLOSUM_SERVICES_GRPC']?.split(',').filter(Boolean) ?? [];
  if (named.length > 0) return named.map(parse);
  const { grpc = {} } = readRunFile(env);
  const found = serviceNames.flatMap((service) => (grpc[service] ? [{ service, address: grpc[service] }] : []));
  if (found.length === 0) throw new NotRunningError(dataDirOf(env));
  return found;
}

function parse(text: string): ServiceAddress {
  const [, service, address] = /^\s*([a-z-]+)=(\S+)\s*$/.exec(text) ?? [];
  const known = serviceNames.find((name) => name === service);
  if (!known || !address) throw new UsageError(`"${text}" is not "service=address"`);
  return { service: known, address };
}

const dataDirOf = (env: NodeJS.ProcessEnv): string => resolve(env['CALLOSUM_DATA_DIR'] || '.callosum');

/** Empty when there is none that can be read: nothing runs here that we may talk to. */
function readRunFile(env: NodeJS.ProcessEnv): RunFile {
  try {
    return JSON.parse(readFileSync(join(dataDirOf(env), 'run.json'), 'utf8')) as RunFile;
  } catch {
    return {};
  }
}
