import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { type ServiceName, serviceNames } from '@callosum/contracts';

import { NotRunningError, type ServiceAddress, UsageError } from './errors.js';
import type { CliSettings } from './settings.js';

interface RunFile {
  /** Where each service answers. */
  readonly grpc?: Readonly<Partial<Record<ServiceName, string>>>;
}

/** Settings of one service's address; of the others --address, CALLOSUM_SERVICES_GRPC and run.json tell. */
const ownSettings: Readonly<Partial<Record<ServiceName, keyof CliSettings>>> = {
  'study-index': 'CALLOSUM_STUDY_INDEX_GRPC',
  'inference-orchestrator': 'CALLOSUM_INFERENCE_GRPC',
};

/**
 * Where one service answers: what --address gave, as ADDRESS or SERVICE=ADDRESS, else its own setting, else
 * CALLOSUM_SERVICES_GRPC, else what the system running on the data folder wrote down.
 * @throws {NotRunningError}
 * @throws {UsageError}
 */
export function addressOf(service: ServiceName, given: readonly string[] | undefined, settings: CliSettings): string {
  const own = ownSettings[service];
  const set = own && settings[own];
  if (!given?.length && set) return set;
  const found = placesOf(given, settings, service).find((one) => one.service === service);
  if (!found) throw new UsageError(`no address of ${service} is known`);
  return found.address;
}

/**
 * Where services answer: those --address gave as SERVICE=ADDRESS, else those of CALLOSUM_SERVICES_GRPC, else those of
 * the system running on the data folder.
 * @throws {NotRunningError}
 * @throws {UsageError}
 */
export const serviceAddresses = (given: readonly string[] | undefined, settings: CliSettings): ServiceAddress[] =>
  placesOf(given, settings);

/** @param only the service an address without a name belongs to */
function placesOf(given: readonly string[] | undefined, settings: CliSettings, only?: ServiceName): ServiceAddress[] {
  if (given?.length) return given.map((text) => parse(text, only));
  const listed = settings.CALLOSUM_SERVICES_GRPC?.split(',').filter(Boolean) ?? [];
  if (listed.length > 0) return listed.map((text) => parse(text));
  const dataDir = resolve(settings.CALLOSUM_DATA_DIR);
  const { grpc = {} } = readRunFile(dataDir);
  const found = serviceNames.flatMap((service) => (grpc[service] ? [{ service, address: grpc[service] }] : []));
  if (found.length === 0) throw new NotRunningError(dataDir);
  return found;
}

function parse(text: string, only?: ServiceName): ServiceAddress {
  // A path may hold "=", but no name of a service holds ":" or "/".
  const [, name, address] = /^\s*([a-z-]+)=(\S+)\s*$/.exec(text) ?? [];
  if (name === undefined && only && text.trim()) return { service: only, address: text.trim() };
  const service = serviceNames.find((one) => one === name);
  if (!service || !address) throw new UsageError(`"${text}" is not SERVICE=ADDRESS`);
  return { service, address };
}

/** Empty when there is none that can be read: nothing runs here that we may talk to. */
function readRunFile(dataDir: string): RunFile {
  try {
    return JSON.parse(readFileSync(join(dataDir, 'run.json'), 'utf8')) as RunFile;
  } catch {
    return {};
  }
}
