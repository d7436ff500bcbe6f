import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type TlsOptions } from 'node:tls';

import { accepts, freePort, startProcess, TestAuthority, type TestCertificate } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { part10 } from '../test-support/objects.js';
import { startProvider, until } from '../test-support/providers.js';
import { python, runScript, script } from '../test-support/pynetdicom.js';
import { type ScuOptions, storeFiles } from './index.js';

let folder: string;
let authority: TestAuthority;
let ours: TestCertificate;
let theirs: TestCertificate;
const files: string[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callosum-pynetdicom-tls-'));
  for (const number of [1, 2]) {
    files.push(join(folder, `${number}.dcm`));
    await writeFile(join(folder, `${number}.dcm`), part10({ sopInstanceUid: `1.2.3.${number}`, pixelBytes: 400_000 }));
  }
  authority = await TestAuthority.create();
  ours = await authority.issue('callosum', 'DNS:localhost,IP:127.0.0.1');
  theirs = await authority.issue('pynetdicom', 'DNS:localhost,IP:127.0.0.1');
});
afterAll(async () => {
  await authority.remove();
  await rm(folder, { recursive: true, force: true });
});

async function tlsOf({
  certFile,
  keyFile,
  caFile,
}: TestCertificate): Promise<{ cert: Buffer; key: Buffer; ca: Buffer }> {
  const [cert, key, ca] = await Promise.all([readFile(certFile), readFile(keyFile), readFile(caFile)]);
  return { cert, key, ca };
}

describe.skipIf(python.missing !== undefined)('pynetdicom over TLS', () => {
  const send = (port: number, certificate: string, key: string): Promise<unknown> =>
    runScript('pynetdicom_tls.py', 'requestor', String(port), certificate, key, authority.caFile, ...files);

  it('sends to our provider, which knows it by its certificate; without one it is not let in', async () => {
    const options: TlsOptions = { ...(await tlsOf(ours)), requestCert: true, rejectUnauthorized: true };
    const provider = await startProvider({ server: createServer(options) });
    try {
      expect(await send(provider.port, 'none', 'none')).toEqual({ established: false });
      await until(() => provider.bad.length === 1);
      expect(await send(provider.port, theirs.certFile, theirs.keyFile)).toEqual({
        established: true,
        protocol: 'TLSv1.3',
        statuses: [0, 0, 0],
      });
      expect(provider.associations.map(({ tls }) => tls?.peerCertificate?.subject)).toEqual(['CN=pynetdicom']);
      expect(provider.stored.map(({ request }) => request.sopInstanceUid)).toEqual(['1.2.3.1', '1.2.3.2']);
    } finally {
      await provider.server.close(0);
    }
  });

  it('takes what we send it with our certificate, and nothing of somebody without one', async () => {
    const port = await freePort();
    const scp = await startProcess({
      command: python.server ?? '',
      args: [script('pynetdicom_tls.py'), 'provider', String(port), theirs.certFile, theirs.keyFile, theirs.caFile],
      ready: () => accepts(port),
      readyTimeoutMs: 20_000,
    });
    try {
      const { ca, ...identity } = await tlsOf(ours);
      const to: ScuOptions = { host: '127.0.0.1', port, calledAet: 'PYNETDICOM', callingAet: 'CALLOSUM' };
      const tls = { ca, servername: 'localhost' };
      const outcomes = await storeFiles({ ...to, tls: { ...tls, ...identity }, files });
      expect(outcomes).toMatchObject([{ status: 0 }, { status: 0 }]);
      await expect(storeFiles({ ...to, tls, files })).rejects.toMatchObject({ kind: 'unavailable' });
      // It was not that first refusal that closed the door.
      expect(await storeFiles({ ...to, tls: { ...tls, ...identity }, files })).toMatchObject([
        { status: 0 },
        { status: 0 },
      ]);
    } finally {
      await scp.stop();
    }
  });
});
