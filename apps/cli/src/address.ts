import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { NotRunningError, type ServiceAddress, UsageError } from './errors.js';

interface RunFile {
  readonly studyIndexGrpc?: unknown;
  /** Where each service answers. */
  readonly grpc?: Readonly<Record<string, string>>;
}

/**
 * Where study-index answers: what was given, else the setting the services share, else what the system running on the
 * data folder wrote down.
 * @throws {NotRunningError}
 */
export function studyIndexAddress(given: string | undefined, env: NodeJS.ProcessEnv): string {
  const address = given ?? env['CALLOSUM_STUDY_INDEX_GRPC'];
  if (address) return address;
  const { studyIndexGrpc } = readRunFile(env);
  if (typeof studyIndexGrpc === 'string') return studyIndexGrpc;
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
  const found = Object.entries(readRunFile(env).grpc ?? {});
  if (found.length === 0) throw new NotRunningError(dataDirOf(env));
  return found.map(([service, address]) => ({ service, address }));
}

function parse(text: string): ServiceAddress {
  const [, service, address] = /^\s*([a-z-]+)=(\S+)\s*$/.exec(text) ?? [];
  if (!service || !address) throw new UsageError(`"${text}" is not "service=address"`);
  return { service, address };
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
