import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { TestAuthority, type TestCertificate } from '@callosum/testing';
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

it('says so at once where there is nothing to begin with', async () => {
  const certFile = join(authority.folder, 'garbage.pem');
  await writeFile(certFile, 'no certificate');
  expect(() => new CertificateFiles({ certFile, keyFile: ours.keyFile }, () => undefined)).toThrow(
    CertificateFilesError,
  );
  expect(() => new CertificateFiles({ caFile: '/none.pem' }, () => undefined)).toThrow(/ENOENT/);
});
