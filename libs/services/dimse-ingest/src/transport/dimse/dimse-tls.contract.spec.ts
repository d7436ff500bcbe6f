import { execFile } from 'node:child_process';
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { CertificateFiles } from '@callosum/auth';
import { echo, readPart10, ScuAssociation, type ScuOptions, storeFiles, tlsProfile } from '@callosum/dimse';
import { MissingPrerequisite, orSkip, shortKey, TestAuthority, type TestCertificate } from '@callosum/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { PeerOptions } from '../../adapters/peer-options.js';
import { ctFile, MemoryNode } from '../../test-support/memory-node.js';
import { python } from '../../test-support/modality.js';

const run = promisify(execFile);
const succeeds = (command: string, args: readonly string[], shows = /./): Promise<boolean> =>
  run(command, [...args]).then(
    ({ stdout }) => shows.test(stdout),
    () => false,
  );
const dcmtkTls = await orSkip(async () => {
  if (!(await succeeds('echoscu', ['--version'], /OPENSSL/i)))
    throw new MissingPrerequisite('DCMTK with OpenSSL is not installed', 'apt-get install dcmtk');
});

let authority: TestAuthority;
let ours: TestCertificate;
let modality: TestCertificate;
let stranger: TestCertificate;
let node: MemoryNode;
beforeAll(async () => {
  authority = await TestAuthority.create();
  ours = await authority.issue('callosum', 'DNS:localhost');
  modality = await authority.issue('ct1', 'DNS:ct1.radiology.example');
  stranger = await authority.issue('mr1', 'DNS:mr1.radiology.example');
});
afterAll(() => authority.remove());
afterEach(() => node.close());

const entries = (...aes: object[]): string => JSON.stringify(aes.map((ae) => ({ host: '127.0.0.1', ...ae })));
async function start(mode: 'on' | 'mutual', changes: Record<string, string> = {}): Promise<void> {
  node = await MemoryNode.start({
    CALLOSUM_DIMSE_TLS: mode,
    CALLOSUM_DIMSE_TLS_CERT_FILE: ours.certFile,
    CALLOSUM_DIMSE_TLS_KEY_FILE: ours.keyFile,
    CALLOSUM_DIMSE_TLS_CA_FILE: ours.caFile,
    CALLOSUM_DIMSE_AES: entries({ aet: 'CT1', tls: { subject: 'CN=ct1' } }, { aet: 'MR1' }),
    ...changes,
  });
}
async function over(certificate?: TestCertificate, changes: Partial<ScuOptions> = {}): Promise<ScuOptions> {
  const own = certificate
    ? { cert: await readFile(certificate.certFile), key: await readFile(certificate.keyFile) }
    : {};
  const tls = { servername: 'localhost', ca: await readFile(ours.caFile), ...own };
  return node.to({ port: node.listener.tlsPort, tls, ...changes });
}
const outcome = (options: ScuOptions): Promise<unknown> =>
  echo(options).then(
    ({ status }) => status,
    ({ code, result, source, reason }: { code: string; result?: number; source?: number; reason?: number }) =>
      result === undefined ? code : [result, source, reason],
  );

describe('DICOM TLS', () => {
  it('maps certificates to AE titles: one of another is rejected 1/1/3, and so is the AE without TLS', async () => {
    await start('mutual');
    expect(await outcome(await over(modality))).toBe(0);
    expect(await outcome(await over(stranger))).toEqual([1, 1, 3]);
    expect(await outcome(node.to())).toEqual([1, 1, 3]);
    expect(node.rejections).toEqual(['wrong-certificate', 'tls-required']);
    // Its entry says nothing of TLS.
    expect(await outcome(node.to({ callingAet: 'MR1' }))).toBe(0);
    expect(await outcome(await over(stranger, { callingAet: 'MR1' }))).toBe(0);
  });

  it('lets nobody in without a certificate where it is mutual, and only the AE that needs none where it is on', async () => {
    await start('mutual');
    expect(await outcome(await over(undefined, { callingAet: 'MR1' }))).toMatch(/^dimse\./);
    await node.close();
    await start('on');
    expect(await outcome(await over(undefined, { callingAet: 'MR1' }))).toBe(0);
    expect(await outcome(await over())).toEqual([1, 1, 3]);
    expect(await outcome(await over(modality))).toBe(0);
  });

  it('may be the only way in', async () => {
    await start('on', { CALLOSUM_DIMSE_PLAIN: 'false' });
    expect(node.listener.port).toBe(0);
    const files = [ctFile('1.2.1', 300_000)];
    expect(await storeFiles({ ...(await over(modality)), files })).toMatchObject([{ status: 0 }]);
  });

  it('shows new certificates once they are written, without a restart, and leaves an open association alone', async () => {
    const files = { certFile: join(authority.folder, 'rotated.pem'), keyFile: join(authority.folder, 'rotated.key') };
    await copyFile(ours.certFile, files.certFile);
    await copyFile(ours.keyFile, files.keyFile);
    await start('on', {
      CALLOSUM_DIMSE_TLS_CERT_FILE: files.certFile,
      CALLOSUM_DIMSE_TLS_KEY_FILE: files.keyFile,
    });
    const serials = new Set<string>();
    const seen = async (): Promise<number> => {
      const options = await over(modality);
      const checkServerIdentity = (_host: string, { serialNumber }: { serialNumber: string }): undefined =>
        void serials.add(serialNumber);
      await echo({ ...options, tls: { ...options.tls, checkServerIdentity } });
      return serials.size;
    };
    expect(await seen()).toBe(1);
    // An object is half sent while the certificate changes.
    const file = ctFile('1.2.1', 300_000);
    const { sopClassUid, sopInstanceUid, transferSyntaxUid, datasetOffset } = await readPart10(file);
    const context = { abstractSyntaxUid: sopClassUid, transferSyntaxUids: [transferSyntaxUid] };
    const open = await ScuAssociation.open(await over(modality), [context]);
    const rotated = Promise.withResolvers<void>();
    const dataset = async function* (): AsyncGenerator<Buffer> {
      yield file.subarray(datasetOffset, datasetOffset + 100_000);
      await rotated.promise;
      yield file.subarray(datasetOffset + 100_000);
    };
    const contextId = open.contextFor(sopClassUid, transferSyntaxUid);
    const storing = open.store(contextId, sopClassUid, sopInstanceUid, () => dataset());
    const next = await authority.issue('callosum-next', 'DNS:localhost');
    await copyFile(next.keyFile, files.keyFile);
    await copyFile(next.certFile, files.certFile);
    await expect.poll(seen, { timeout: 5_000 }).toBe(2);
    expect(node.logLines.some((line) => line.includes('dimse.certificate-renewed'))).toBe(true);
    rotated.resolve();
    expect(await storing).toMatchObject({ status: 0 });
    expect(await open.echo(contextId)).toMatchObject({ status: 0 });
    await open.release();
    expect(await open.ended).toEqual({ how: 'released' });
  });

  it('goes on with the certificate it has where the profile refuses the new one', async () => {
    const files = { certFile: join(authority.folder, 'short.pem'), keyFile: join(authority.folder, 'short.key') };
    await copyFile(ours.certFile, files.certFile);
    await copyFile(ours.keyFile, files.keyFile);
    await start('on', {
      CALLOSUM_DIMSE_TLS_CERT_FILE: files.certFile,
      CALLOSUM_DIMSE_TLS_KEY_FILE: files.keyFile,
    });
    const verification = { abstractSyntaxUid: '1.2.840.10008.1.1', transferSyntaxUids: ['1.2.840.10008.1.2'] };
    const open = await ScuAssociation.open(await over(modality), [verification]);
    const weak = await authority.issue('callosum-weak', 'DNS:localhost', shortKey);
    await copyFile(weak.keyFile, files.keyFile);
    await copyFile(weak.certFile, files.certFile);
    const unusable = (): boolean => node.logLines.some((line) => line.includes('dimse.certificate-unusable'));
    await expect.poll(unusable, { timeout: 5_000 }).toBe(true);
    // Longer than it takes to look at the files.
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(node.logLines.some((line) => line.includes('dimse.certificate-renewed'))).toBe(false);
    expect(await outcome(await over(modality))).toBe(0);
    expect(await open.echo(open.contextFor(verification.abstractSyntaxUid))).toMatchObject({ status: 0 });
    await open.release();
    const next = await authority.issue('callosum-after', 'DNS:localhost');
    await copyFile(next.keyFile, files.keyFile);
    await copyFile(next.certFile, files.certFile);
    const renewed = (): boolean => node.logLines.some((line) => line.includes('dimse.certificate-renewed'));
    await expect.poll(renewed, { timeout: 5_000 }).toBe(true);
    expect(await outcome(await over(modality))).toBe(0);
  });

  it('a certificate of our own that the profile refuses is no connection, not a fault of the object', async () => {
    await start('on');
    const weak = await authority.issue('ct1-weak', 'DNS:ct1.radiology.example', shortKey);
    const options = await over(weak);
    expect(await outcome({ ...options, tls: { ...tlsProfile, ...options.tls } })).toBe('dimse.peer-unreachable');
  });

  it('believes the authorities that are in the file now: those of a new one come in, those of the old one no more', async () => {
    const second = await TestAuthority.create();
    try {
      const caFile = join(authority.folder, 'peers.pem');
      await copyFile(ours.caFile, caFile);
      await start('mutual', { CALLOSUM_DIMSE_TLS_CA_FILE: caFile });
      const others = await second.issue('ct1', 'DNS:ct1.radiology.example');
      expect(await outcome(await over(modality))).toBe(0);
      expect(await outcome(await over(others))).toMatch(/^dimse\./);
      await copyFile(second.caFile, caFile);
      await expect.poll(async () => outcome(await over(others)), { timeout: 5_000 }).toBe(0);
      expect(await outcome(await over(modality))).toMatch(/^dimse\./);
    } finally {
      await second.remove();
    }
  });

  it('calls others with the certificate that is in our file now', async () => {
    await start('mutual', { CALLOSUM_DIMSE_AES: entries({ aet: 'CALLER', tls: { subject: 'CN=ct1' } }) });
    const files = { certFile: join(authority.folder, 'calling.pem'), keyFile: join(authority.folder, 'calling.key') };
    const write = async ({ certFile, keyFile }: TestCertificate): Promise<void> => {
      await copyFile(keyFile, files.keyFile);
      await copyFile(certFile, files.certFile);
    };
    await write(stranger);
    const certificates = new CertificateFiles({ ...files, caFile: ours.caFile }, () => undefined, 20);
    const peers = new PeerOptions('CALLER', certificates);
    const tls = { required: true, call: true, serverName: 'localhost' };
    const called = { aet: 'CALLOSUM', host: '127.0.0.1', port: node.listener.tlsPort, tls };
    expect(await outcome(peers.of(called))).toEqual([1, 1, 3]);
    await write(modality);
    await expect.poll(() => outcome(peers.of(called)), { timeout: 5_000 }).toBe(0);
  });

  it('is how an AE is called whose entry says so: with our certificate, and its own is verified', async () => {
    await start('mutual', {
      CALLOSUM_DIMSE_AES: entries({ aet: 'CALLER', tls: { dnsName: 'ct1.radiology.example' } }),
    });
    const read = async (certificate: TestCertificate) => ({
      cert: await readFile(certificate.certFile, 'utf8'),
      key: await readFile(certificate.keyFile, 'utf8'),
      ca: await readFile(ours.caFile, 'utf8'),
    });
    const called = { aet: 'CALLOSUM', host: '127.0.0.1', port: node.listener.tlsPort };
    const calling = async (certificate: TestCertificate, tls: object): Promise<unknown> => {
      const peers = new PeerOptions('CALLER', { current: await read(certificate) });
      return outcome(peers.of({ ...called, tls: { required: true, call: true, ...tls } }));
    };
    expect(await calling(modality, { serverName: 'localhost' })).toBe(0);
    expect(await calling(modality, { subject: 'CN=callosum' })).toBe(0);
    expect(await calling(stranger, { serverName: 'localhost' })).toEqual([1, 1, 3]);
    // The certificate is for another name, or not the one that is expected.
    expect(await calling(modality, {})).toBe('dimse.peer-unreachable');
    expect(await calling(modality, { subject: 'CN=ct1' })).toBe('dimse.peer-unreachable');
    // Plain at the port with TLS.
    expect(new PeerOptions('CALLER').of({ ...called, tls: { required: true, call: false } }).tls).toBeUndefined();
  });

  it.skipIf(dcmtkTls.missing)('DCMTK comes in with its certificate, and not with another', async () => {
    await start('mutual');
    const dcmtk = (certificate: TestCertificate): Promise<boolean> =>
      succeeds(
        'echoscu',
        [
          '+tls',
          certificate.keyFile,
          certificate.certFile,
          '+cf',
          ours.caFile,
          '-aet',
          'CT1',
          '-aec',
          'CALLOSUM',
        ].concat(['-v', '127.0.0.1', String(node.listener.tlsPort)]),
        /^/,
      );
    expect([await dcmtk(modality), await dcmtk(stranger)]).toEqual([true, false]);
  });

  it.skipIf(python.missing)('pynetdicom stores over TLS, with a user it names', async () => {
    await start('mutual', {
      CALLOSUM_DIMSE_AES: entries({ aet: 'CT1', tls: { subject: 'CN=ct1' }, users: [{ name: 'technician' }] }),
      CALLOSUM_DIMSE_USER_IDENTITY: 'required',
    });
    const script = join(import.meta.dirname, '../../../test-support/pynetdicom_tls.py');
    const files = [ours.caFile, modality.certFile, modality.keyFile];
    const { stdout } = await run(python.server ?? '', [script, String(node.listener.tlsPort), ...files, 'technician']);
    expect(JSON.parse(stdout)).toEqual({ window: [8, 1], identity: 1, statuses: [0, 0, 0] });
    const refused = await run(python.server ?? '', [script, String(node.listener.tlsPort), ...files, 'somebody']);
    expect(JSON.parse(refused.stdout)).toEqual({ established: false });
  });
});
