import { Authenticator, authSettings, internalBindProtected } from '@callosum/auth';
import { parseSettings, SettingsError, UnauthenticatedBindError } from '@callosum/config';
import { serviceNames } from '@callosum/contracts';
import { createLogger } from '@callosum/telemetry';
import { describe, expect, it } from 'vitest';

import { z } from 'zod';

import { defineService } from './definition.js';
import { assertHttpBind } from './http-server.js';
import { assertMetricsBind, metricsPort } from './metrics-port.js';
import { openAuthenticator } from './open-authenticator.js';
import { platformSettings } from './settings.js';
import { startService } from './start-service.js';

const oidc = { CALLOSUM_AUTH_OIDC_ISSUER: 'https://id.example', CALLOSUM_AUTH_OIDC_AUDIENCE: 'callosum' };
const keys = { CALLOSUM_AUTH_SERVICE_KEYS_FILE: '/keys' };
const tls = {
  CALLOSUM_AUTH_TLS_CERT_FILE: '/c',
  CALLOSUM_AUTH_TLS_KEY_FILE: '/k',
  CALLOSUM_AUTH_TLS_CA_FILE: '/a',
};
const logger = createLogger('binds', 'silent');
const platform = (env: Record<string, string>) => parseSettings(platformSettings, env);
const authenticator = (env: Record<string, string>) =>
  new Authenticator('study-index', parseSettings(authSettings, env));

describe('HTTP', () => {
  it.each([
    ['127.0.0.1', {}, true],
    ['0.0.0.0', {}, false],
    ['0.0.0.0', keys, false],
    ['0.0.0.0', oidc, true],
    ['10.1.2.3', { ...tls, CALLOSUM_AUTH_INTERNAL_GRPC: 'mtls' }, false],
  ])('on %s with %o: %s', (host, env, starts) => {
    const bind = () => assertHttpBind({ host, authenticated: authenticator(env).httpOn });
    if (starts) expect(bind).not.toThrow();
    else expect(bind).toThrow(UnauthenticatedBindError);
  });

  it.each([
    [{ CALLOSUM_AUTH_OIDC_ISSUER: 'https://id.example' }, /AUDIENCE/],
    [{ ...oidc, CALLOSUM_AUTH_OIDC_ISSUER: 'http://id.example' }, /https/],
    [{ ...oidc, CALLOSUM_AUTH_OIDC_ALGORITHMS: 'RS256,none' }, /ALGORITHMS/],
    [{ ...oidc, CALLOSUM_AUTH_OIDC_ALGORITHMS: 'HS256' }, /ALGORITHMS/],
    [{ ...oidc, CALLOSUM_AUTH_CLIENT_ID: 'callosum' }, /SECRET_FILE/],
    [{ CALLOSUM_AUTH_INTERNAL_GRPC: 'mtls' }, /TLS_CERT_FILE/],
    [{ CALLOSUM_AUTH_INTERNAL_GRPC: 'token' }, /SERVICE_KEYS_FILE/],
    [{ ...keys, CALLOSUM_AUTH_INTERNAL_GRPC: 'token', CALLOSUM_AUTH_TLS_CERT_FILE: '/c' }, /TLS_KEY_FILE/],
  ])('settings that do not fit together stop the start: %o', (env, problem) => {
    expect(() => authenticator(env)).toThrow(SettingsError);
    expect(() => authenticator(env)).toThrow(problem);
  });
});

describe('internal gRPC', () => {
  it.each(serviceNames)('of %s is not open to other machines without authentication', (name) => {
    const open = (env: Record<string, string>) => () =>
      openAuthenticator({ name }, platform({ CALLOSUM_INTERNAL_GRPC: '0.0.0.0:50061', ...env }), logger);
    expect(open({})).toThrow(UnauthenticatedBindError);
    expect(open({ ...keys, CALLOSUM_AUTH_INTERNAL_GRPC: 'token' })).not.toThrow();
  });

  it.each([
    ['127.0.0.1:50061', {}, true],
    ['[::1]:50061', {}, true],
    ['unix:/run/callosum/study-index.sock', {}, true],
    ['0.0.0.0:50061', {}, false],
    ['[::]:50061', {}, false],
    ['0.0.0.0:50061', oidc, false],
    ['0.0.0.0:50061', keys, false],
    ['0.0.0.0:50061', { ...keys, CALLOSUM_AUTH_INTERNAL_GRPC: 'token' }, true],
    ['0.0.0.0:50061', { ...tls, CALLOSUM_AUTH_INTERNAL_GRPC: 'mtls' }, true],
  ])('on %s with %o: %s', (address, env, starts) => {
    expect(internalBindProtected(authenticator(env), address)).toBe(starts);
  });
});

it('a service whose gRPC answers for parked work only does not leave loopback unasked either', async () => {
  const definition = defineService({
    name: 'dicomweb',
    settings: z.object({}),
    schema: 'dicomweb',
    migrations: {},
    usesArchive: false,
    module: class {},
    httpPrefixes: [],
  });
  // Before a database is looked for.
  await expect(startService(definition, { CALLOSUM_INTERNAL_GRPC: '0.0.0.0:50064' })).rejects.toBeInstanceOf(
    UnauthenticatedBindError,
  );
});

describe('metrics', () => {
  it.each([
    [{}, undefined],
    [oidc, 9464],
    [{ CALLOSUM_HTTP_HOST: '0.0.0.0' }, 9464],
    [{ CALLOSUM_METRICS_PORT: '9999' }, 9999],
    [{ ...oidc, CALLOSUM_METRICS_PORT: '9999' }, 9999],
  ])('with %o have port %s of their own', (env, port) => expect(metricsPort(platform(env))).toBe(port));

  it('leave loopback only when that is said', () => {
    const open = { ...oidc, CALLOSUM_METRICS_HOST: '0.0.0.0' };
    expect(() => assertMetricsBind(platform(open))).toThrow(UnauthenticatedBindError);
    expect(() => assertMetricsBind(platform({ ...open, CALLOSUM_METRICS_ALLOW_REMOTE: 'true' }))).not.toThrow();
    expect(() => assertMetricsBind(platform(oidc))).not.toThrow();
  });
});
