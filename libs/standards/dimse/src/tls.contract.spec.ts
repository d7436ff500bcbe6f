import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { createServer, type Server, type TlsOptions } from 'node:tls';
import { promisify } from 'node:util';

import { TestAuthority, type TestCertificate } from '@callosum/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { part10 } from '../test-support/objects.js';
import { type Provider, startProvider, until } from '../test-support/providers.js';
import { echo, PeerUnreachableError, type ScuOptions, storeFiles } from './index.js';

const run = promisify(execFile);
const hasDcmtkTls = await run('echoscu', ['--version']).then(
  ({ stdout }) => /OPENSSL/i.test(stdout),
  () => false,
);

let authority: TestAuthority;
let ours: TestCertificate;
let modality: TestCertificate;
let provider: Provider;
beforeAll(async () => {
  authority = await TestAuthority.create();
  ours = await authority.issue('callosum', 'DNS:localhost,IP:127.0.0.1');
  modality = await authority.issue('ct1', 'DNS:ct1');
});
afterAll(() => authority.remove());
afterEach(() => provider.server.close(0));

async function tlsOptions({ certFile, keyFile, caFile }: TestCertificate): Promise<TlsOptions> {
  const [cert, key, ca] = await Promise.all([certFile, keyFile, caFile].map((file) => readFile(file)));
  return { cert, key, ca } as TlsOptions;
}

/** A provider behind TLS that asks for certificates. */
async function secured(options: Parameters<typeof startProvider>[0] = {}, tls: TlsOptions = {}): Promise<Server> {
  const server = createServer({ ...(await tlsOptions(ours)), requestCert: true, rejectUnauthorized: true, ...tls });
  provider = await startProvider({ server, ...options });
  return server;
}

const to = async (certificate?: TestCertificate): Promise<ScuOptions> => {
  const { cert, key, ca } = await tlsOptions(certificate ?? modality);
  const tls = { ca, servername: 'localhost', ...(certificate ? { cert, key } : {}) } as NonNullable<ScuOptions['tls']>;
  return { host: '127.0.0.1', port: provider.port, calledAet: 'CALLOSUM', callingAet: 'CT1', tls };
};

describe('DICOM TLS', () => {
  it('tells who the certificate says the peer is, and carries objects', async () => {
    await secured();
    const files = [part10({ pixelBytes: 3_000_000 })];
    expect(await storeFiles({ ...(await to(modality)), files })).toMatchObject([{ status: 0 }]);
    const { tls } = provider.associations[0] ?? {};
    expect(tls).toMatchObject({ protocol: 'TLSv1.3', authorized: true });
    expect(tls?.peerCertificate?.subject).toContain('CN=ct1');
    expect(provider.stored[0]?.bytes.length).toBeGreaterThan(3_000_000);
  });

  it('lets nobody in without a certificate, or without TLS, and goes on for others', async () => {
    await secured();
    // TLS 1.3 tells a client only after it believes to be connected.
    await expect(echo(await to())).rejects.toMatchObject({ kind: 'unavailable' });
    const { tls: _tls, ...plain } = await to(modality);
    await expect(echo({ ...plain, timeouts: { associateMs: 2_000 } })).rejects.toMatchObject({ kind: 'unavailable' });
    await until(() => provider.bad.length >= 2);
    expect(new Set(provider.bad)).toEqual(new Set(['dimse.tls-handshake']));
    expect(await echo(await to(modality))).toEqual({ status: 0 });
  });

  it('does not trust a provider of another authority', async () => {
    await secured();
    const options = await to(modality);
    const ca = await readFile(ours.certFile);
    await expect(echo({ ...options, tls: { ...options.tls, ca } })).rejects.toBeInstanceOf(PeerUnreachableError);
  });

  it('closes a connection that does not come to the end of its handshake', async () => {
    await secured({ limits: { handshakeMs: 100 } });
    const socket = connect(provider.port, '127.0.0.1');
    socket.on('error', () => undefined);
    const closed = new Promise((resolve) => socket.on('close', resolve));
    await closed;
    await until(() => provider.server.connectionCount === 0);
  });

  it('takes new certificates for new connections while it runs', async () => {
    const server = await secured();
    const serials: unknown[] = [];
    const echoed = async (): Promise<void> => {
      const options = await to(modality);
      const checkServerIdentity = (_host: string, { serialNumber }: { serialNumber: string }): undefined =>
        void serials.push(serialNumber);
      await echo({ ...options, tls: { ...options.tls, checkServerIdentity } });
    };
    await echoed();
    ours = await authority.issue('callosum', 'DNS:localhost,IP:127.0.0.1');
    server.setSecureContext(await tlsOptions(ours));
    await echoed();
    expect(new Set(serials).size).toBe(2);
  });

  it.skipIf(!hasDcmtkTls)('DCMTK comes in with its certificate', async () => {
    await secured();
    const { certFile, keyFile, caFile } = modality;
    await run('echoscu', [
      '+tls',
      keyFile,
      certFile,
      '+cf',
      caFile,
      '-aec',
      'CALLOSUM',
      '127.0.0.1',
      String(provider.port),
    ]);
    expect(provider.associations[0]?.tls?.peerCertificate?.subject).toContain('CN=ct1');
  });
});
