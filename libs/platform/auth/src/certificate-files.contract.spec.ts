import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { shortKey, TestAuthority, type TestCertificate } from '@callosum/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { CertificateFiles, CertificateFilesError, type CertificateMaterial } from './index.js';

let authority: TestAuthority;
let ours: TestCertificate;
beforeAll(async () => {
  authority = await TestAuthority.create();
  ours = await authority.issue('ours', 'DNS:localhost');
});
afterAll(() => authority.remove());

it('takes over what is written anew, and keeps the old while certificate and key do not belong together', async () => {
  const files = { certFile: join(authority.folder, 'x.pem'), keyFile: join(authority.folder, 'x.key') };
  await copyFile(ours.certFile, files.certFile);
  await copyFile(ours.keyFile, files.keyFile);
  const first = await readFile(ours.certFile, 'utf8');
  const unusable: CertificateFilesError[] = [];
  const renewed: CertificateMaterial[] = [];
  const certificates = new CertificateFiles(files, (error) => unusable.push(error), 20);
  const stop = certificates.follow((material) => renewed.push(material));
  const next = await authority.issue('next', 'DNS:localhost');
  await copyFile(next.certFile, files.certFile);
  await expect.poll(() => unusable.length, { timeout: 5_000 }).toBeGreaterThan(0);
  expect(certificates.current.cert).toBe(first);
  expect(unusable[0]).toMatchObject({ code: 'auth.certificate-files' });
  expect(String(unusable[0])).not.toMatch(/BEGIN/);
  await copyFile(next.keyFile, files.keyFile);
  await expect.poll(() => renewed.length, { timeout: 5_000 }).toBe(1);
  expect(certificates.current.cert).toBe(await readFile(next.certFile, 'utf8'));
  stop();
  await sleep(60);
  expect(renewed).toHaveLength(1);
});

it('takes no key of another kind than the certificate is of: OpenSSL would have a pair of neither', async () => {
  const files = { certFile: join(authority.folder, 'w.pem'), keyFile: join(authority.folder, 'w.key') };
  await copyFile(ours.certFile, files.certFile);
  await copyFile(ours.keyFile, files.keyFile);
  const unusable: CertificateFilesError[] = [];
  const certificates = new CertificateFiles(files, (error) => unusable.push(error), 0);
  const before = certificates.current;
  const rsa = await authority.issue('rsa', 'DNS:localhost', ['-newkey', 'rsa:2048']);
  await copyFile(rsa.keyFile, files.keyFile);
  expect(certificates.current).toBe(before);
  expect(String(unusable.at(-1))).toMatch(/KEY_MISMATCH/);
  await copyFile(rsa.certFile, files.certFile);
  expect(certificates.current.key).toBe(await readFile(rsa.keyFile, 'utf8'));
});

it('takes a file that is being written, and is empty yet, for none', async () => {
  const files = { certFile: join(authority.folder, 'z.pem'), keyFile: join(authority.folder, 'z.key') };
  await copyFile(ours.certFile, files.certFile);
  await copyFile(ours.keyFile, files.keyFile);
  const unusable: CertificateFilesError[] = [];
  const certificates = new CertificateFiles(files, (error) => unusable.push(error), 0);
  const key = certificates.current.key;
  for (const file of [files.keyFile, files.certFile]) {
    await writeFile(file, '');
    expect(certificates.current.key).toBe(key);
    expect(String(unusable.at(-1))).toMatch(/EMPTY/);
  }
});

it('checks them as they will be used: what the profile refuses is told, and the old goes on', async () => {
  const files = { certFile: join(authority.folder, 'y.pem'), keyFile: join(authority.folder, 'y.key') };
  await copyFile(ours.certFile, files.certFile);
  await copyFile(ours.keyFile, files.keyFile);
  const unusable: CertificateFilesError[] = [];
  const profile = { ciphers: 'TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=2' };
  const certificates = new CertificateFiles(files, (error) => unusable.push(error), 20, profile);
  const renewed: CertificateMaterial[] = [];
  const stop = certificates.follow((material) => renewed.push(material));
  const weak = await authority.issue('weak', 'DNS:localhost', shortKey);
  await copyFile(weak.keyFile, files.keyFile);
  await copyFile(weak.certFile, files.certFile);
  await expect.poll(() => String(unusable.at(-1)), { timeout: 5_000 }).toMatch(/KEY_TOO_SMALL/);
  expect(renewed).toEqual([]);
  expect(certificates.current.cert).toBe(await readFile(ours.certFile, 'utf8'));
  stop();
  expect(() => new CertificateFiles(files, () => undefined, 20, profile)).toThrow(CertificateFilesError);
});

it('tells what its user cannot use, and asks again', async () => {
  const files = { certFile: join(authority.folder, 'z.pem'), keyFile: join(authority.folder, 'z.key') };
  await copyFile(ours.certFile, files.certFile);
  await copyFile(ours.keyFile, files.keyFile);
  const unusable: CertificateFilesError[] = [];
  let asked = 0;
  const certificates = new CertificateFiles(files, (error) => unusable.push(error), 20);
  const stop = certificates.follow(() => {
    if (++asked === 1) throw new Error('not now');
  });
  const next = await authority.issue('follower', 'DNS:localhost');
  await copyFile(next.keyFile, files.keyFile);
  await copyFile(next.certFile, files.certFile);
  await expect.poll(() => asked, { timeout: 5_000 }).toBe(2);
  expect(unusable.at(-1)).toBeInstanceOf(CertificateFilesError);
  await sleep(60);
  expect(asked).toBe(2);
  stop();
});

it('says so at once where there is nothing to begin with', async () => {
  const certFile = join(authority.folder, 'garbage.pem');
  await writeFile(certFile, 'no certificate');
  expect(() => new CertificateFiles({ certFile, keyFile: ours.keyFile }, () => undefined)).toThrow(
    CertificateFilesError,
  );
  expect(() => new CertificateFiles({ caFile: '/none.pem' }, () => undefined)).toThrow(/ENOENT/);
});
