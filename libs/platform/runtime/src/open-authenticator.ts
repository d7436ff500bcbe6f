import { Authenticator, internalBindProtected, rolesOfService } from '@callosum/auth';
import { SettingsError, UnauthenticatedBindError } from '@callosum/config';
import type { Logger } from '@callosum/telemetry';

import type { ServiceDefinition } from './definition.js';
import type { PlatformSettings } from './settings.js';

/**
 * Who a service asks for, and as whom it asks. Every service answers on its internal gRPC port, with parked work at least.
 * @throws {SettingsError} when it has to show a token and has none
 * @throws {UnauthenticatedBindError} when internal gRPC would be open to other machines
 */
export function openAuthenticator(
  definition: Pick<ServiceDefinition, 'name'>,
  settings: PlatformSettings,
  logger: Logger,
): Authenticator {
  const authenticator = new Authenticator(definition.name, settings);
  if (authenticator.httpOn && rolesOfService[definition.name] && !authenticator.fhirToken)
    throw new SettingsError([
      'CALLOSUM_AUTH_SERVICE_KEYS_FILE or CALLOSUM_AUTH_CLIENT_ID: one is required, the FHIR server will ask for a token',
    ]);
  const bind = settings.CALLOSUM_INTERNAL_GRPC;
  if (!internalBindProtected(authenticator, bind))
    throw new UnauthenticatedBindError('CALLOSUM_INTERNAL_GRPC', {
      on: false,
      needs: 'CALLOSUM_AUTH_INTERNAL_GRPC to mtls or token',
    });
  if (authenticator.internal.mode === 'token' && !authenticator.internal.tls && !bind.startsWith('unix:'))
    logger.warn({ bind }, 'grpc.tokens-without-tls');
  return authenticator;
}
