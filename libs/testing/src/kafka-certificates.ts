import { execFile } from 'node:child_process';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface IssuedCertificate {
  /** PEM, PKCS #8. */
  readonly key: string;
  /** PEM. */
  readonly cert: string;
}

export interface CertificateRequest {
  readonly commonName: string;
  /** Already out of date when it is issued. */
  readonly expired?: boolean;
}

/** A certificate authority of one broker's test, made with openssl: it also issues what is already out of date. */
export class KafkaAuthority {
  private constructor(
    private readonly dir: string,
    /** PEM. */
    readonly ca: string,
  ) {}

  static async create(parent: string): Promise<KafkaAuthority> {
    const dir = await mkdtemp(join(parent, 'ca-'));
    const req = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    await run('openssl', [...req, '-subj', '/CN=callosum test CA', '-keyout', 'ca.key', '-out', 'ca.pem'], {
      cwd: dir,
    });
    for (const [name, text] of [
      ['index.txt', ''],
      ['serial', '1000'],
      ['ca.cnf', authorityConfig],
    ] as const) {
      await writeFile(join(dir, name), text);
    }
    return new KafkaAuthority(dir, await readFile(join(dir, 'ca.pem'), 'utf8'));
  }

  /** For servers and clients alike, valid for 127.0.0.1 and localhost. */
  async issue({ commonName, expired = false }: CertificateRequest): Promise<IssuedCertificate> {
    const { dir } = this;
    const name = await mkdtemp(join(dir, 'leaf-'));
    const [key, csr, cert] = [join(name, 'key.pem'), join(name, 'leaf.csr'), join(name, 'cert.pem')];
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    await run('openssl', ['req', ...newKey, '-subj', `/CN=${commonName}`, '-keyout', key, '-out', csr], { cwd: dir });
    const dates = expired ? ['-startdate', '20200101000000Z', '-enddate', '20200102000000Z'] : ['-days', '2'];
    await run('openssl', ['ca', '-batch', '-notext', '-config', 'ca.cnf', ...dates, '-in', csr, '-out', cert], {
      cwd: dir,
    });
    return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') };
  }
}

const authorityConfig = `
[ca]
default_ca = here
[here]
dir = .
database = index.txt
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
x509_extensions = leaf
unique_subject = no
[any]
commonName = supplied
[leaf]
subjectAltName = IP:127.0.0.1, DNS:localhost
extendedKeyUsage = serverAuth, clientAuth
`;
