import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';

import { CallosumError } from '@callosum/kernel';

import type { TlsFiles } from './settings.js';
import { certificateRefreshMs } from './tls-files.js';

/** PEM, as node:tls takes it. */
export interface CertificateMaterial {
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
}

/** Thrown when files of certificates cannot be read, or do not belong together. Never holds what is in them. */
export class CertificateFilesError extends CallosumError {
  constructor(files: Partial<TlsFiles>, cause: unknown) {
    const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? 'unknown';
    super('auth.certificate-files', 'unavailable', `${Object.values(files).join(', ')} cannot be used (${code})`);
  }
}

/**
 * Certificates from files for node:tls, read again while the process runs. What cannot be used, such as a new certificate
 * whose key is not written yet, is told, and what was there before goes on.
 */
export class CertificateFiles {
  #material: CertificateMaterial;
  #readAt = performance.now();

  /**
   * @param profile what they are used with: a profile may refuse what node:tls takes by itself, such as a short key
   * @throws {CertificateFilesError}
   */
  constructor(
    private readonly files: Partial<TlsFiles>,
    private readonly onUnusable: (error: CertificateFilesError) => void,
    private readonly everyMs: number = certificateRefreshMs,
    private readonly profile: SecureContextOptions = {},
  ) {
    this.#material = read(files, profile);
  }

  /** What is in the files; it may be as old as `everyMs`. */
  get current(): CertificateMaterial {
    if (performance.now() - this.#readAt >= this.everyMs) this.#readAgain();
    return this.#material;
  }

  /**
   * Looks at the files every `everyMs`.
   * @param changed uses what is new; when it throws, that is told, and it is asked again the next time
   * @returns what ends that
   */
  follow(changed: (material: CertificateMaterial) => void): () => void {
    let told = this.#material;
    const timer = setInterval(() => {
      this.#readAgain();
      const material = this.#material;
      if (material === told) return;
      try {
        changed(material);
        told = material;
      } catch (error) {
        // Out of a timer it would end the process, and every association with it.
        this.onUnusable(new CertificateFilesError(this.files, error));
      }
    }, this.everyMs).unref();
    return () => clearInterval(timer);
  }

  #readAgain(): void {
    this.#readAt = performance.now();
    try {
      const found = read(this.files, this.profile);
      const known = this.#material;
      if (found.cert !== known.cert || found.key !== known.key || found.ca !== known.ca) this.#material = found;
    } catch (error) {
      this.onUnusable(error as CertificateFilesError);
    }
  }
}

function read(files: Partial<TlsFiles>, profile: SecureContextOptions): CertificateMaterial {
  const { certFile, keyFile, caFile } = files;
  try {
    const material = {
      ...(certFile ? { cert: textOf(certFile) } : {}),
      ...(keyFile ? { key: textOf(keyFile) } : {}),
      ...(caFile ? { ca: textOf(caFile) } : {}),
    };
    checkPair(material);
    // Says so when the profile refuses either.
    createSecureContext({ ...profile, ...material });
    return material;
  } catch (error) {
    throw new CertificateFilesError(files, error);
  }
}

/** OpenSSL itself keeps a pair for each kind of key: the RSA key beside an ECDSA certificate, or the other way, passes there. */
function checkPair({ cert, key }: CertificateMaterial): void {
  if (cert === undefined || key === undefined) return;
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
    throw Object.assign(new Error('the key is of another certificate'), { code: 'KEY_MISMATCH' });
}

/** Who copies a file empties it first. node:tls takes nothing for not given, and would listen without it. */
function textOf(file: string): string {
  const text = readFileSync(file, 'utf8');
  if (text.trim() === '') throw Object.assign(new Error('empty'), { code: 'EMPTY' });
  return text;
}
