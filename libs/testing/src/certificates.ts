import { execFile } from 'node:child_process';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface TestCertificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

/** A certificate authority of a test's own, made with openssl. */
export class TestAuthority {
  private constructor(
    readonly folder: string,
    readonly caFile: string,
  ) {}

  static async create(): Promise<TestAuthority> {
    const folder = await mkdtemp(join(tmpdir(), 'callosum-ca-'));
    const caFile = join(folder, 'ca.pem');
    await openssl(folder, [
      '-x509',
      '-subj',
      '/CN=Test authority',
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-days',
      '2',
    ]);
    return new TestAuthority(folder, caFile);
  }

  /**
   * Makes a certificate, or a new one under the same file names.
   * @param names as openssl writes them: "DNS:localhost,URI:spiffe://callosum/dicomweb"; '' for a certificate without
   * @param newKey as `openssl req` takes it
   */
  async issue(file: string, names: string, newKey: readonly string[] = ellipticKey): Promise<TestCertificate> {
    const path = (name: string): string => join(this.folder, name);
    await writeFile(
      path(`${file}.ext`),
      `${names ? `subjectAltName=${names}\n` : ''}extendedKeyUsage=serverAuth,clientAuth\n`,
    );
    const request = ['-subj', `/CN=${file}`, '-keyout', `${file}.new.key`, '-out', `${file}.csr`];
    await openssl(this.folder, request, newKey);
    const signing = ['x509', '-req', '-in', `${file}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'];
    await run('openssl', [...signing, '-days', '2', '-extfile', `${file}.ext`, '-out', `${file}.new.pem`], {
      cwd: this.folder,
    });
    await rename(path(`${file}.new.key`), path(`${file}.key`));
    await rename(path(`${file}.new.pem`), path(`${file}.pem`));
    return { certFile: path(`${file}.pem`), keyFile: path(`${file}.key`), caFile: this.caFile };
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}

const ellipticKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
/** One that profiles of today refuse: RSA of 1,024 bits. */
export const shortKey = ['-newkey', 'rsa:1024'];

const openssl = (cwd: string, args: readonly string[], newKey: readonly string[] = ellipticKey): Promise<unknown> =>
  run('openssl', ['req', ...newKey, '-nodes', ...args], { cwd });
