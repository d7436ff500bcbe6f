import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TlsOptions } from 'node:tls';

import { TestAuthority, type TestCertificate } from '@callosum/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { tlsProfile } from './index.js';

let authority: TestAuthority;
let certificate: TestCertificate;
let server: Server;
beforeAll(async () => {
  authority = await TestAuthority.create();
  certificate = await authority.issue('callosum', 'DNS:localhost');
});
afterAll(() => authority.remove());
afterEach(() => server.close());

/** What everybody used once: TLS 1.0 and suites with CBC. */
const old: TlsOptions = { minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' };

async function serve(options: TlsOptions): Promise<number> {
  const [cert, key] = await Promise.all([readFile(certificate.certFile), readFile(certificate.keyFile)]);
  server = createServer({ ...options, cert, key }, (socket) => socket.end('welcome'));
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** What `openssl s_client` agrees on: "TLSv1.3 TLS_AES_256_GCM_SHA384", or nothing. */
async function agreed(port: number, ...options: string[]): Promise<string> {
  const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-CAfile', certificate.caFile, ...options];
  const stdout = await new Promise<string>((resolve) => {
    const child = execFile('openssl', args, (_error, out) => resolve(out));
    child.stdin?.end();
  });
  const [, protocol = '', cipher = ''] = /^New, (\S+), Cipher is (\S+)$/m.exec(stdout) ?? [];
  return protocol.startsWith('TLS') ? `${protocol} ${cipher}` : '';
}

const cbc = ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0'];
const tls11 = ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'];

describe('the TLS profile (PS3.15 B.12)', () => {
  it('takes TLS 1.3, and 1.2 with a suite of RFC 9325', async () => {
    const port = await serve(tlsProfile);
    expect(await agreed(port)).toMatch(/^TLSv1\.3 TLS_AES_/);
    expect(await agreed(port, '-tls1_2')).toMatch(/^TLSv1\.2 ECDHE-ECDSA-AES(128|256)-GCM-SHA(256|384)$/);
  });

  it.each([
    ['TLS 1.1', tls11],
    ['TLS 1.2 with CBC', cbc],
    ['TLS 1.2 without authentication of the server', ['-tls1_2', '-cipher', 'AECDH:@SECLEVEL=0']],
  ])('refuses %s', async (_what, options) => {
    expect(await agreed(await serve(tlsProfile), ...options)).toBe('');
  });

  it.each([
    ['TLS 1.1', tls11],
    ['TLS 1.2 with CBC', cbc],
  ])('and it is the profile that refuses %s: another server takes it', async (_what, options) => {
    expect(await agreed(await serve(old), ...options)).not.toBe('');
  });

  it('resumes no session', async () => {
    const port = await serve({ ...tlsProfile, maxVersion: 'TLSv1.2' });
    const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-CAfile', certificate.caFile, '-reconnect'];
    const stdout = await new Promise<string>((resolve) => {
      const child = execFile('openssl', args, (_error, out) => resolve(out));
      child.stdin?.end();
    });
    expect(stdout).toMatch(/^New, TLSv1\.2/m);
    expect(stdout).not.toMatch(/^Reused, /m);
  });
});
