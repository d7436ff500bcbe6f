import { Authenticator, authSettings, internalChannelCredentials, provesItself } from '@callosum/auth';
import { parseSettings } from '@callosum/config';
import type { ServiceName } from '@callosum/contracts';
import { errorMessage } from '@callosum/kernel';
import {
  type Client,
  type ClientError,
  type CompatServiceDefinition,
  createChannel,
  createClientFactory,
  Status,
} from 'nice-grpc';

import { ServiceFailedError } from './errors.js';
import { cliSettings } from './settings.js';

/**
 * Asks a service, as the command line or as the person whose token is in CALLOSUM_TOKEN.
 * @throws {ServiceFailedError} with why, in one line
 */
export async function ask<Service extends CompatServiceDefinition, T>(
  service: ServiceName,
  address: string,
  definition: Service,
  env: NodeJS.ProcessEnv,
  work: (client: Client<Service>) => Promise<T>,
): Promise<T> {
  const authenticator = new Authenticator('cli', parseSettings(authSettings, env));
  const credentials = internalChannelCredentials(authenticator, address);
  // nice-grpc takes what follows a single-slash scheme for a host and appends a port.
  const channel = createChannel(address.replace(/^unix:(?!\/\/)/, 'unix://'), credentials);
  const { CALLOSUM_TOKEN: bearer } = parseSettings(cliSettings, env);
  const client = createClientFactory()
    .use(provesItself(authenticator, service, bearer))
    .create(definition, channel);
  try {
    return await work(client);
  } catch (error) {
    throw new ServiceFailedError(service, address, reasonOf(error));
  } finally {
    channel.close();
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && /^(Timeout|Abort)Error$/.test(error.name)) return 'not done in time, given up';
  const { code, details } = error as Partial<ClientError>;
  if (code === Status.UNAVAILABLE) return `does not answer (${details ?? ''})`;
  return code === undefined ? errorMessage(error) : `${Status[code]}: ${details ?? ''}`;
}
